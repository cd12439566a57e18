package connectors

import (
	"bytes"
	"strings"
)

// A known kind of file is recognised by its beginning.
type known struct{ start, kind, hint string }

// KindOfFile tells by the beginning of a file what it is if it is no text, and
// what to do, or returns "". Some programs give any name to any file.
func KindOfFile(sample []byte) (kind, hint string) {
	const convert, pack = "save it as CSV", "pack the files with gzip, zstd or as ZIP"
	for _, k := range []known{
		{"PK\x03\x04", "a ZIP archive that is damaged or too large", "was it fully written? Copy it again"},
		{"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save it as .xlsx and use connector excel"},
		{"%PDF", "a PDF document", "ask for the data as CSV or Excel"},
		{"\x89PNG", "a PNG image", ""},
		{"\xff\xd8\xff", "a JPEG image", ""},
		{"GIF8", "a GIF image", ""},
		{"BZh9", "a bzip2 archive", pack},
		{"\xfd7zXZ", "an xz archive", pack},
		{"7z\xbc\xaf", "a 7-Zip archive", pack},
		{"Rar!", "a RAR archive", pack},
		{"SQLite format 3", "an SQLite database", convert},
		{"PAR1", "a Parquet file", "use connector parquet"},
		{"\xff\xfe\x00\x00", "text in UTF-32", "save it as UTF-8"},
		{"\x00\x00\xfe\xff", "text in UTF-32", "save it as UTF-8"},
	} {
		switch {
		case !bytes.HasPrefix(sample, []byte(k.start)):
		case strings.HasPrefix(k.start, "PK") && (bytes.Contains(sample, []byte("xl/")) || bytes.Contains(sample, []byte("[Content_Types].xml"))):
			return "an Excel workbook (.xlsx)", "use connector excel"
		default:
			return k.kind, k.hint
		}
	}
	const tarMagicAt = 257 // POSIX ustar
	if len(sample) > tarMagicAt && bytes.HasPrefix(sample[tarMagicAt:], []byte("ustar")) {
		return "a tar archive", "pack the files as ZIP, or one of them with gzip"
	}
	return "", ""
}

// KindOfText tells by the beginning of a text what it is if it has no lines of
// cells, and what to do, or returns "".
func KindOfText(sample []byte) (kind, hint string) {
	start := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(sample[:min(len(sample), 512)], []byte("\xef\xbb\xbf")), " \t\r\n"))
	for _, k := range []known{
		{"<!doctype html", "an HTML page", "was a sign-in or error page saved in place of the file?"},
		{"<html", "an HTML page", "was a sign-in or error page saved in place of the file?"},
		{"<?xml", "an XML document", "use connector xml"},
		{`{"`, "JSON", "use connector json"},
		{`[{`, "JSON", "use connector json"},
	} {
		if bytes.HasPrefix(start, []byte(k.start)) {
			return k.kind, k.hint
		}
	}
	return "", ""
}
