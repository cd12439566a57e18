package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"crossdock/internal/store"
)

// A contextReader stops reading when its context ends.
type contextReader struct {
	io.Reader
	ctx context.Context
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// copyFile copies a file to a new one, whose folder it makes.
func copyFile(ctx context.Context, from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	return writeNew(ctx, source, to)
}

// writeNew writes a new file and has it on disk when it returns.
func writeNew(ctx context.Context, from io.Reader, path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(file, contextReader{from, ctx}); err != nil {
		return err
	}
	return file.Sync()
}

// describe says what a file of the folder is, and reports what is wrong with it.
func describe(ctx context.Context, dir, name string) (f savedFile, err error) {
	path := filepath.Join(dir, name)
	file, err := os.Open(path)
	if err != nil {
		return f, err
	}
	defer file.Close()
	sum := sha256.New()
	f = savedFile{Path: filepath.ToSlash(name)}
	if f.Bytes, err = io.Copy(sum, contextReader{file, ctx}); err != nil {
		return f, err
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if isDatabase(name) {
		f.Schema, err = store.Examine(path)
	}
	return f, err
}

// pack writes the folder as a compressed archive, the manifest first.
func pack(ctx context.Context, dir, target string, m *manifest) (err error) {
	partial := dir + archiveSuffix
	file, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err == nil {
			err = os.Rename(partial, target)
		}
		if err != nil {
			err = errors.Join(err, os.Remove(partial))
			return
		}
		err = syncPath(filepath.Dir(target))
	}()
	compressed, err := zstd.NewWriter(file, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	names := []string{manifestName}
	for _, f := range m.Files {
		names = append(names, f.Path)
	}
	for _, name := range names {
		if err := packFile(ctx, archive, dir, name); err != nil {
			return errors.Join(err, compressed.Close())
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return err
	}
	return file.Sync()
}

func packFile(ctx context.Context, to *tar.Writer, dir, name string) error {
	file, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o640, ModTime: info.ModTime()}
	if err := to.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(to, contextReader{file, ctx})
	return err
}

// unpack writes the files of an archive into the folder.
func unpack(ctx context.Context, path, dir string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	compressed, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer compressed.Close()
	archive := tar.NewReader(compressed)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s is no whole backup: %w", path, err)
		}
		name := filepath.FromSlash(header.Name)
		if header.Typeflag != tar.TypeReg || !filepath.IsLocal(name) {
			return fmt.Errorf("%s is no backup: it holds %s, which is no file of a data folder", path, quote(header.Name))
		}
		if err := writeNew(ctx, archive, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s is no whole backup: %s: %w", path, header.Name, err)
		}
	}
}

// syncTree has a folder, and all that is in it, on disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(path)
	})
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
