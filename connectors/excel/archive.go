package excel

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zip"

	"crossdock/connectors"
)

// Bounds of the archive that a workbook is. DEFLATE packs no better than
// 1,032:1, and sheets that people make rarely better than 30:1.
const (
	maxEntries = connectors.MaxMembers
	maxRatio   = 200
	ratioFrom  = 1 << 20 // below, a high ratio does no harm
)

// An archive is the ZIP file that a workbook is, its directory checked.
type archive struct {
	r       io.ReaderAt
	entries map[string]*zip.File // by name in lower case: ECMA-376 Part 2, 6.2.2.3
}

// openArchive reads the directory and refuses one that no workbook has: one
// made to fill memory or disk, to be understood in two ways, or cut off.
func openArchive(r io.ReaderAt, size, maxUnpacked int64) (*archive, error) {
	directory, err := connectors.ReadZip(r, size)
	switch {
	case errors.Is(err, connectors.ErrManyMembers):
		return nil, refused("has more than %d parts", maxEntries)
	case err != nil:
		return nil, &connectors.Error{
			Message: "the workbook is cut off or damaged", Err: err,
			Hint: "was it fully written? Copy it again, or save it again with the program that made it",
		}
	}
	a := &archive{r: r, entries: make(map[string]*zip.File, len(directory.File))}
	var packed, unpacked uint64
	for _, f := range directory.File {
		name := partName(f.Name)
		if a.entries[name] != nil {
			return nil, refused("has two parts named %s", shown(f.Name))
		}
		a.entries[name] = f
		packed += f.CompressedSize64
		unpacked += f.UncompressedSize64
		if f.UncompressedSize64 > ratioFrom && f.UncompressedSize64/maxRatio > f.CompressedSize64 {
			return nil, refused("has a part, %s, that unpacks to more than %d times its size", shown(f.Name), maxRatio)
		}
		if packed > uint64(size) || f.CompressedSize64 > uint64(size) {
			return nil, refused("has parts that overlap, or that are larger than the file")
		}
		if unpacked > uint64(maxUnpacked) || f.UncompressedSize64 > uint64(maxUnpacked) {
			e := refused("unpacks to more than %d MiB", maxUnpacked>>20)
			e.Hint = "set max_unpacked to more MiB if the file is what it should be"
			return nil, e
		}
	}
	return a, nil
}

// partName returns the name under which a part is found. Some writers use
// backslashes or a slash in front, which ZIP and OPC forbid but Excel opens.
func partName(name string) string {
	return strings.ToLower(path.Clean(strings.TrimLeft(strings.ReplaceAll(name, `\`, "/"), "/")))
}

func (a *archive) has(name string) bool { return a.entries[partName(name)] != nil }

// open returns the content of a part. What is read of it ends with io.EOF only
// when it was whole: as long as declared, and with the right checksum.
func (a *archive) open(ctx context.Context, name string) (*part, error) {
	f := a.entries[partName(name)]
	if f == nil {
		return nil, damaged("its part %s is missing", shown(name))
	}
	const encrypted = 1
	if f.Flags&encrypted != 0 {
		return nil, &connectors.Error{Message: "is a ZIP archive protected with a password", Hint: "save it without one"}
	}
	if f.Method != zip.Deflate && f.Method != zip.Store {
		return nil, damaged("its part %s is packed by method %d, workbooks use 8", shown(name), f.Method)
	}
	raw, err := f.OpenRaw()
	if err != nil {
		return nil, damaged("its part %s is not where the directory says: %v", shown(name), err)
	}
	p := &part{ctx: ctx, name: shown(f.Name), crc: crc32.NewIEEE(), want: f.CRC32, size: int64(f.UncompressedSize64)}
	p.packed = &countingReader{r: raw}
	p.packedSize = int64(f.CompressedSize64)
	p.r = bufio.NewReaderSize(p.packed, 32<<10)
	if f.Method == zip.Deflate {
		p.r = flate.NewReader(p.r) // has a faster loop for a bufio.Reader
	}
	return p, nil
}

// A part is one file of the archive being unpacked.
type part struct {
	ctx  context.Context // of the call that reads: whoever begins another one sets it
	name string
	r    io.Reader

	packed           *countingReader
	packedSize, size int64 // as the directory says

	n    int64 // unpacked
	crc  hash.Hash32
	want uint32
	err  error
}

func (p *part) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.r.Read(b)
	_, _ = p.crc.Write(b[:n]) // a hash never fails
	p.n += int64(n)
	ended := errors.Is(err, io.EOF)
	switch {
	case err != nil && !ended:
		p.err = damaged("its part %s cannot be unpacked: %v", p.name, err)
	case p.n > p.size || ended && p.n != p.size:
		p.err = damaged("its part %s is not as long as the directory says", p.name)
	case ended && p.crc.Sum32() != p.want:
		p.err = damaged("its part %s does not have the right checksum", p.name)
	case ended:
		p.err = io.EOF
	}
	return n, p.err
}

// A countingReader counts what is read of the packed form.
type countingReader struct {
	r io.Reader
	n int64
}

func (r *countingReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.n += int64(n)
	return n, err
}

// notZip says what a file is that does not begin as a workbook does.
func notZip(r io.ReaderAt, size int64) error {
	head := make([]byte, min(size, 4<<10))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return &connectors.Error{Class: connectors.Transient, Message: "cannot be read", Err: err}
	}
	lower := bytes.ToLower(head)
	wrong := func(message, hint string) error { return &connectors.Error{Message: message, Hint: hint} }
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return nil
	case bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")):
		return notCompound(r, size)
	case bytes.HasPrefix(head, []byte("%PDF")):
		return wrong("is a PDF document and no workbook", "ask for the sheet itself, saved as .xlsx")
	case bytes.Contains(lower, []byte("<html")) || bytes.Contains(lower, []byte("<table")):
		return wrong("is a web page that was named as a workbook", "open it in Excel and save it as .xlsx")
	case bytes.Contains(lower, []byte("urn:schemas-microsoft-com:office:spreadsheet")):
		return wrong("is an XML spreadsheet of 2003", "open it in Excel and save it as .xlsx")
	case bytes.IndexByte(head, 0) < 0:
		return wrong("is not a workbook: it looks like text", "use connector csv")
	}
	return wrong("is not a workbook", "save it as .xlsx")
}

// notCompound tells an old workbook from an encrypted one. Both are compound
// files (MS-CFB), in which each stream has a directory entry of 128 bytes that
// begins at a multiple of 128: its name in UTF-16, the length of the name at
// byte 64 and its type, 2 for a stream, at byte 66. Looking at all of them
// finds the names without following chains of sectors that may be damaged.
func notCompound(r io.ReaderAt, size int64) error {
	const entry, most = 128, 64 << 20
	block := make([]byte, 64<<10)
	old := false
	for off := int64(0); off < min(size, most); off += int64(len(block)) {
		n, err := r.ReadAt(block, off)
		for e := block[:n]; len(e) >= entry; e = e[entry:] {
			switch streamName(e) {
			case "EncryptedPackage":
				return &connectors.Error{Message: "is protected with a password", Hint: "save it without one"}
			case "Workbook", "Book":
				old = true
			}
		}
		if err != nil {
			break
		}
	}
	if old {
		return &connectors.Error{Message: "is an old .xls workbook", Hint: "save it as .xlsx"}
	}
	return &connectors.Error{Message: "is an old Office file and no workbook", Hint: "save it as .xlsx"}
}

func streamName(entry []byte) string {
	length := int(entry[64]) | int(entry[65])<<8
	if entry[66] != 2 || length < 4 || length > 64 || length%2 == 1 {
		return ""
	}
	name := make([]byte, 0, 32)
	for i := 0; i < length-2; i += 2 {
		if entry[i+1] != 0 {
			return ""
		}
		name = append(name, entry[i])
	}
	return string(name)
}
