package connectors

import (
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zip"
	"golang.org/x/text/encoding/charmap"

	"crossdock/schemas"
)

// MaxMembers and the other bounds of a ZIP archive. What a directory says is checked before anything
// is unpacked, and counted again while it is.
const (
	MaxMembers        = 2_000
	maxDirectoryBytes = 4 << 20
	maxMemberName     = 512
)

// ErrManyMembers is returned for an archive with more members, or a longer
// directory, than is read.
var ErrManyMembers = fmt.Errorf("the archive has more than %d members", MaxMembers)

// ReadZip reads the directory of a ZIP archive, which is bounded: the zip
// package reads members for as long as there are any.
func ReadZip(r io.ReaderAt, size int64) (*zip.Reader, error) {
	bounded := &boundedReaderAt{r: r, left: maxDirectoryBytes}
	directory, err := zip.NewReader(bounded, size)
	switch {
	case bounded.left < 0 || err == nil && len(directory.File) > MaxMembers:
		return nil, ErrManyMembers
	case err != nil && !errors.Is(err, zip.ErrInsecurePath): // names are never used as paths
		return nil, err
	}
	bounded.served = true
	return directory, nil
}

// A boundedReaderAt bounds how much is read until it has served. From then on
// it has no state, so that members can be read beside each other.
type boundedReaderAt struct {
	r      io.ReaderAt
	left   int64
	served bool
}

func (r *boundedReaderAt) ReadAt(b []byte, off int64) (int, error) {
	if r.served {
		return r.r.ReadAt(b, off)
	}
	if r.left -= int64(len(b)); r.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return r.r.ReadAt(b, off)
}

// A member is where a file lies in a ZIP archive. The zero member is none.
type member struct {
	name             string
	offset           int64 // in the archive
	packed, unpacked int64 // bytes, as the directory says
	crc              uint32
	method           uint16
}

// FindMembers returns the files that a path or glob names, as FindFiles does,
// but in place of a ZIP archive those of its members that a pattern selects,
// in the order of their names. A pattern without a slash is compared with the
// last part of a name, and an empty one selects all. Member names are what
// users read and never become paths.
func FindMembers(env Env, pattern, members string) ([]File, error) {
	if _, err := path.Match(members, ""); err != nil {
		return nil, &Error{Place: Place{Resource: members}, Message: "is not a pattern of member names", Err: err}
	}
	found, err := FindFiles(env, pattern)
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, len(found))
	for _, file := range found {
		inside, err := file.members(members)
		if err != nil {
			return nil, err
		}
		files = append(files, inside...)
	}
	return files, nil
}

// members returns the selected members of an archive, or the file itself
// where it is none.
func (f File) members(pattern string) ([]File, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, f.errorf("", "cannot be read: %w", err)
	}
	defer file.Close() // a file that was only read loses nothing
	head := make([]byte, 4)
	if n, err := file.ReadAt(head, 0); n < len(head) && errors.Is(err, io.EOF) || string(head[:2]) != "PK" {
		return []File{f}, nil
	} else if err != nil {
		return nil, f.errorf("", "cannot be read: %w", err)
	}
	directory, err := ReadZip(file, f.Size)
	named := strings.EqualFold(path.Ext(f.Name), ".zip")
	switch {
	case named && errors.Is(err, ErrManyMembers):
		return nil, f.errorf("pack the files into several archives", "%w", err)
	case named && err != nil:
		return nil, f.errorf("was it fully written? Copy it again", "the archive is cut off or damaged: %w", err)
	case err != nil || isDocument(directory):
		return []File{f}, nil // for its connector to judge: a workbook is a ZIP archive too
	}
	return f.selected(directory, pattern)
}

func (f File) errorf(hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Place: Place{Resource: f.Name}, Message: err.Error(), Hint: hint}
}

// isDocument reports whether an archive is a document of an office program.
func isDocument(directory *zip.Reader) bool {
	return slices.ContainsFunc(directory.File, func(m *zip.File) bool {
		name := strings.ToLower(m.Name)
		return name == "[content_types].xml" || name == "_rels/.rels" || name == "mimetype"
	})
}

// selected returns the members of an archive that a pattern selects.
func (f File) selected(directory *zip.Reader, pattern string) ([]File, error) {
	var files []File
	var others []string
	var packed, unpacked uint64
	for _, m := range directory.File {
		name := memberName(m)
		if strings.HasSuffix(name, "/") || isLitter(name) {
			continue
		}
		if !selects(pattern, name) {
			others = append(others, name)
			continue
		}
		packed += m.CompressedSize64
		unpacked += m.UncompressedSize64
		if packed > uint64(f.Size) || m.CompressedSize64 > uint64(f.Size) {
			return nil, f.errorf("pack it again", "the archive is refused: its members overlap, or are larger than it is")
		}
		if unpacked > MaxUnpackedBytes || m.UncompressedSize64 > MaxUnpackedBytes {
			return nil, f.errorf("pack fewer files into it", "the archive is refused: it unpacks to more than %d GiB", MaxUnpackedBytes>>30)
		}
		inside := f
		inside.Name, inside.Size = f.Name+":"+name, int64(m.CompressedSize64)
		if err := inside.enter(m, name); err != nil {
			return nil, err
		}
		files = append(files, inside)
	}
	if len(files) == 0 {
		return nil, f.noMember(pattern, others)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for i := range files[1:] {
		if files[i].Name == files[i+1].Name {
			return nil, files[i].errorf("pack it again", "the archive has two members of this name")
		}
	}
	return files, nil
}

// enter makes a file the member of an archive, unless it is one that cannot be
// read or that nobody would pack for us to read.
func (f *File) enter(m *zip.File, name string) error {
	const encrypted = 1
	switch {
	case m.Flags&encrypted != 0:
		return f.errorf("pack it without a password", "is protected with a password")
	case !m.Mode().IsRegular():
		return f.errorf("pack the file itself", "is a link or a device, not a file")
	case m.Method != zip.Deflate && m.Method != zip.Store:
		return f.errorf("pack it by the usual method, deflate", "is packed by method %d, which is not known here", m.Method)
	case m.UncompressedSize64 == 0:
		return f.errorf("was it fully written?", "the file is empty")
	case m.UncompressedSize64 > ratioFrom && m.UncompressedSize64/maxRatio > m.CompressedSize64:
		return f.errorf("", "unpacks to more than %d times its size: refused as a decompression bomb", maxRatio)
	}
	offset, err := m.DataOffset()
	if err != nil {
		return f.errorf("was the archive fully written? Copy it again", "is not where the directory of the archive says: %w", err)
	}
	f.member = member{name, offset, int64(m.CompressedSize64), int64(m.UncompressedSize64), m.CRC32, m.Method}
	return nil
}

func (f File) noMember(pattern string, others []string) error {
	switch {
	case len(others) == 0:
		return f.errorf("was it fully written?", "there is no file in the archive")
	case len(others) > 5:
		others = append(others[:5:5], fmt.Sprintf("and %d others", len(others)-5))
	}
	return f.errorf("in it are "+strings.Join(others, ", "), "no member matches %s", schemas.QuoteShort(pattern))
}

// memberName returns the name of a member as people read it. Programs that do
// not say that it is UTF-8 mean the code page of DOS.
func memberName(m *zip.File) string {
	name := m.Name
	if m.NonUTF8 || !utf8.ValidString(name) {
		name, _ = charmap.CodePage437.NewDecoder().String(name) // every byte has its character
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '\\':
			return '/'
		case !unicode.IsPrint(r):
			return utf8.RuneError
		}
		return r
	}, name)
	if len(name) > maxMemberName {
		name = strings.ToValidUTF8(name[:maxMemberName], "")
	}
	return name
}

// isLitter reports whether a member is one that systems pack by themselves.
func isLitter(name string) bool {
	switch path.Base(name) {
	case ".DS_Store", "Thumbs.db", "desktop.ini":
		return true
	}
	return strings.HasPrefix(name, "__MACOSX/")
}

func selects(pattern, name string) bool {
	if !strings.Contains(pattern, "/") {
		name = path.Base(name)
	}
	matches, _ := path.Match(pattern, name) // FindMembers has tried the pattern
	return pattern == "" || matches
}

// open returns what a member holds. It ends with io.EOF only when it was
// whole: as long as declared, and with the right checksum.
func (m member) open(archive io.ReaderAt, read func(io.Reader) io.Reader) io.Reader {
	packed := read(io.NewSectionReader(archive, m.offset, m.packed))
	if m.method == zip.Deflate {
		packed = flate.NewReader(packed)
	}
	return &memberReader{r: packed, member: m, crc: crc32.NewIEEE()}
}

type memberReader struct {
	member
	r   io.Reader
	n   int64
	crc hash.Hash32
	err error
}

func (r *memberReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(p)
	_, _ = r.crc.Write(p[:n]) // a hash never fails
	r.n += int64(n)
	ended := errors.Is(err, io.EOF)
	switch {
	case err != nil && !ended:
		r.err = fmt.Errorf("the archive is cut off or damaged here: %w", err)
	case r.n > r.unpacked || ended && r.n != r.unpacked:
		r.err = errors.New("the archive is damaged here: the member is not as long as the directory says")
	case ended && r.crc.Sum32() != r.member.crc:
		r.err = errors.New("the archive is damaged here: the member does not have the right checksum")
	case ended:
		r.err = io.EOF
	}
	return n, r.err
}
