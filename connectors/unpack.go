package connectors

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// MaxUnpackedBytes bounds what one compressed file may unpack to, and
// maxRatio how much it may grow past its first ratioFrom bytes, so that a
// small file cannot keep a machine busy for ever.
const (
	MaxUnpackedBytes = 64 << 30
	maxRatio         = 1000
	ratioFrom        = 1 << 20

	// What zstd may keep of what it has unpacked, which is memory. All levels
	// but those that have to be unlocked need 8 MiB or less.
	maxWindow = 32 << 20
)

// An OpenFile is a file being read, unpacked where its content is gzip or
// zstd or where it is the member of an archive.
type OpenFile struct {
	io.Reader
	Packed bool // it is unpacked on the way, so that it cannot be sought
	file   *os.File
	zstd   *zstd.Decoder
	read   atomic.Int64
}

// Open opens the file for one reading from its beginning. The member of an
// archive that is an archive itself is refused: nobody packs twice but to hide
// how much there is to unpack.
func (f File) Open() (*OpenFile, error) { return f.open("gzip", "zstd", "zip") }

// open opens the file, unless it is a member packed once more in one of the
// ways given.
func (f File) open(refused ...string) (*OpenFile, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, &Error{Place: Place{Resource: f.Name}, Message: "cannot be read", Err: err}
	}
	open := &OpenFile{file: file}
	if f.member != (member{}) {
		err = f.openMember(open, refused)
	} else {
		err = open.unpack(open.buffered(file))
	}
	if err != nil {
		_ = open.Close()
		if e, ok := errors.AsType[*Error](err); ok {
			e.Place.Resource = f.Name
		}
		return nil, err
	}
	return open, nil
}

func (f *OpenFile) buffered(r io.Reader) *bufio.Reader {
	return bufio.NewReaderSize(&countingReader{r, &f.read}, 256<<10)
}

// unpack reads through the packing that the content begins with, if any.
func (f *OpenFile) unpack(content *bufio.Reader) error {
	f.Reader = content
	head, _ := content.Peek(4) // a file that is shorter, or cannot be read, is so for whoever reads it
	switch packing(head) {
	case "gzip":
		unpacked, err := gzip.NewReader(content)
		if err != nil {
			return &Error{Message: "is not a whole gzip file", Err: err}
		}
		f.Packed, f.Reader = true, &boundedReader{r: unpacked, packing: "gzip", packed: &f.read}
	case "zstd":
		unpacked, err := zstd.NewReader(content, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(MaxUnpackedBytes))
		if err != nil {
			return &Error{Message: "is not a whole zstd file", Err: err}
		}
		f.zstd, f.Packed, f.Reader = unpacked, true, &boundedReader{r: unpacked, packing: "zstd", packed: &f.read}
	}
	return nil
}

// packing tells by the first bytes of a content how it is packed.
func packing(head []byte) string {
	for magic, name := range map[string]string{"\x1f\x8b": "gzip", "\x28\xb5\x2f\xfd": "zstd", "PK\x03\x04": "zip"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return name
		}
	}
	return ""
}

func (f File) openMember(open *OpenFile, refused []string) error {
	open.Packed = true
	content := bufio.NewReaderSize(f.member.open(open.file, func(r io.Reader) io.Reader { return open.buffered(r) }), 64<<10)
	open.Reader = content
	head, err := content.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return &Error{Message: err.Error()}
	}
	if kind := packing(head); slices.Contains(refused, kind) {
		return &Error{Message: "is a " + kind + " file within an archive: refused", Hint: "put the files themselves into the archive"}
	}
	return nil
}

// SkipTo moves to a byte of a file that is not packed.
func (f *OpenFile) SkipTo(offset int64) error {
	if _, err := f.file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	f.read.Store(offset)
	f.Reader = f.buffered(f.file)
	return nil
}

// Done returns how many bytes of the file on disk have been read.
func (f *OpenFile) Done() int64 { return f.read.Load() }

// Close closes the file.
func (f *OpenFile) Close() error {
	if f.zstd != nil {
		f.zstd.Close()
	}
	return f.file.Close()
}

// A Seekable is a file whose bytes can be read in any order.
type Seekable struct {
	io.ReaderAt
	Size int64
	file *os.File
	temp string // to be removed, where that could not be done while it is open
}

// OpenSeekable opens the file for reading in any order. What is packed is
// unpacked into a temporary file of at most the bytes given. It has no name
// any more, where the system allows that, so that nothing can be left behind.
func (f File) OpenSeekable(ctx context.Context, most int64) (*Seekable, error) {
	open, err := f.open("gzip", "zstd")
	if err != nil {
		return nil, err
	}
	if !open.Packed {
		if err := f.CheckUnchanged(); err != nil {
			_ = open.Close()
			return nil, err
		}
		return &Seekable{ReaderAt: open.file, Size: f.Size, file: open.file}, nil
	}
	defer open.Close() // a file that was only read loses nothing
	temp, err := os.CreateTemp("", "crossdock-unpacked-")
	if err != nil {
		return nil, f.errorf("", "cannot be unpacked: %w", err)
	}
	whole := &Seekable{ReaderAt: temp, file: temp}
	if os.Remove(temp.Name()) != nil {
		whole.temp = temp.Name()
	}
	whole.Size, err = unpackInto(ctx, temp, open, most)
	if err != nil {
		_ = whole.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, f.errorf("", "cannot be unpacked: %w", err)
	}
	return whole, nil
}

// unpackInto copies at most the bytes given, and looks up at its context from
// time to time.
func unpackInto(ctx context.Context, w io.Writer, r io.Reader, most int64) (int64, error) {
	const step = 1 << 20
	for size := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := io.CopyN(w, r, step)
		size += n
		switch {
		case size > most:
			return 0, fmt.Errorf("unpacks to more than %d MiB", most>>20)
		case errors.Is(err, io.EOF):
			return size, nil
		case err != nil:
			return 0, err
		}
	}
}

// Close closes the file and, where it is a temporary one, removes it.
func (s *Seekable) Close() error {
	err := s.file.Close()
	if s.temp != "" {
		err = errors.Join(err, os.Remove(s.temp))
	}
	return err
}

type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.n.Add(int64(n))
	return n, err
}

// A boundedReader fails when what it unpacks outgrows its bounds.
type boundedReader struct {
	r        io.Reader
	packing  string
	packed   *atomic.Int64
	unpacked int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.unpacked += int64(n)
	if r.unpacked > MaxUnpackedBytes || r.unpacked > ratioFrom && r.unpacked/maxRatio > r.packed.Load() {
		return n, fmt.Errorf("unpacks to more than %d times its size: refused as a decompression bomb", maxRatio)
	}
	switch {
	case err == nil || errors.Is(err, io.EOF):
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		err = fmt.Errorf("needs more than %d MiB to be unpacked: pack it without --long and --ultra", maxWindow>>20)
	default:
		err = fmt.Errorf("the %s file is cut off or damaged: %w", r.packing, err)
	}
	return n, err
}
