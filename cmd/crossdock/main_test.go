package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/xuri/excelize/v2"

	"crossdock/internal/rabbitserver/rabbittest"
	"crossdock/internal/store/storetest"
)

func TestMain(m *testing.M) {
	testscript.Main(rabbittest.With(storetest.With(m)), map[string]func(){"crossdock": main})
}

// TestScripts runs the transcripts of the command line in testdata/script.
func TestScripts(t *testing.T) {
	params := scriptParams()
	params.Dir = "testdata/script"
	testscript.Run(t, params)
}

func scriptParams() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CROSSDOCK_DATA", env.WorkDir+"/data")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":  scriptStatus,
			"make":    scriptMake,
			"occupy":  scriptOccupy,
			"replace": scriptReplace,
			"capture": scriptCapture,
			"zip":     scriptZip,
			"zstd":    scriptZstd,
			"held":    scriptHeld,
			"flip":    scriptFlip,
			"cut":     scriptCut,
			"newer":   scriptNewer,
			"latest":  scriptLatest,
		},
	}
}

// scriptStatus runs crossdock and checks its exit code: status 3 run a.yaml.
func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: status CODE ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec("crossdock", args[1:]...); err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("crossdock: %v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// scriptReplace replaces text in a file: replace OLD NEW FILE.
func scriptReplace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s does not contain %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(text, args[0], args[1])), 0o600))
}

// scriptHeld keeps the id of the run that is held in a variable: held RUN.
func scriptHeld(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: held VARIABLE")
	}
	ts.Check(ts.Exec("crossdock", "runs", "list", "--status", "held", "--limit", "1", "--json"))
	var runs []struct{ Run string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &runs))
	if len(runs) == 0 {
		ts.Fatalf("no run is held")
	}
	ts.Setenv(args[0], runs[0].Run)
}

// scriptOccupy listens on a free port until the script ends: occupy VARIABLE.
func scriptOccupy(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	ts.Setenv(args[0], listener.Addr().String())
}

// scriptMake writes a file that text cannot hold: make KIND FILE.
func scriptMake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: make KIND FILE")
	}
	content, ok := makers()[args[0]]
	if !ok {
		ts.Fatalf("unknown kind %q", args[0])
	}
	data, err := content()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o600))
}

const csvHead = "Nr,Name,Menge\n"

func makers() map[string]func() ([]byte, error) {
	text := func(s string) func() ([]byte, error) {
		return func() ([]byte, error) { return []byte(s), nil }
	}
	return map[string]func() ([]byte, error){
		"empty":          text(""),
		"binary":         text("\x7fELF\x02\x01\x01\x00\x00\x00\x00" + strings.Repeat("\x00\x01\xff\xfe", 500)),
		"huge-cell":      text(csvHead + "A-1,\"" + strings.Repeat("x", 40<<20) + "\",1\n"),
		"many-columns":   text(csvHead + "A-1,Mutter,1\n" + strings.Repeat("x,", 10_000) + "x\n"),
		"nul":            text(csvHead + "A-1,Mutter,1\nA-2,Bol\x00zen,1\nA-3,Keil,1\n"),
		"invalid-utf8":   text(csvHead + "A-1,Schl\u00fcssel,1\nA-2,Schl\xfcssel,1\nA-3,Keil,1\n"),
		"workbook":       func() ([]byte, error) { return workbook(50) },
		"items-workbook": itemsWorkbook,
		"cut-workbook":   cutWorkbook,
		"cut-sheet":      cutSheet,
		"encrypted-xlsx": func() ([]byte, error) { return compoundFile("EncryptedPackage"), nil },
		"xls":            func() ([]byte, error) { return compoundFile("Workbook"), nil },
		"parquet": func() ([]byte, error) {
			return os.ReadFile("../../connectors/parquetfile/testdata/alltypes_plain.snappy.parquet")
		},
	}
}

func workbook(rows int) ([]byte, error) {
	book := excelize.NewFile()
	defer book.Close()
	if err := book.SetSheetRow("Sheet1", "A1", &[]any{"Nr", "Name", "Menge"}); err != nil {
		return nil, err
	}
	for i := range rows {
		if err := book.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+2), &[]any{fmt.Sprintf("A-%d", i+1), "Mutter", i + 1}); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	err := book.Write(&b)
	return b.Bytes(), err
}

func cutWorkbook() ([]byte, error) {
	whole, err := workbook(50)
	return whole[:len(whole)*2/3], err
}

// cutSheet returns a workbook whose archive is whole and whose sheet is not.
func cutSheet() ([]byte, error) {
	whole, err := workbook(50)
	if err != nil {
		return nil, err
	}
	in, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		var content bytes.Buffer
		if _, err := content.ReadFrom(r); err != nil {
			return nil, err
		}
		data := content.Bytes()
		if strings.HasSuffix(f.Name, "sheet1.xml") {
			data = data[:len(data)/2]
		}
		w, err := out.Create(f.Name)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	err = out.Close()
	return b.Bytes(), err
}

// compoundFile returns the beginning of a compound file ([MS-CFB]) with one
// stream: header, allocation table, and a directory of two entries.
func compoundFile(stream string) []byte {
	const sector = 512
	file := make([]byte, 4*sector)
	copy(file, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	put16 := func(at int, v uint16) { binary.LittleEndian.PutUint16(file[at:], v) }
	put32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(file[at:], v) }
	put16(24, 0x3e)
	put16(26, 3)
	put16(28, 0xfffe)
	put16(30, 9) // sectors of 512 bytes
	put16(32, 6)
	put32(44, 1)          // one sector of allocation table
	put32(48, 1)          // the directory begins in sector 1
	put32(56, 4096)       // streams below this would be in the mini stream
	put32(60, 0xfffffffe) // none
	put32(68, 0xfffffffe) // none
	for i := range 109 {
		put32(76+4*i, 0xffffffff)
	}
	put32(76, 0)
	for i := range sector / 4 {
		put32(sector+4*i, 0xffffffff)
	}
	put32(sector, 0xfffffffd)   // sector 0 is the allocation table
	put32(sector+4, 0xfffffffe) // sector 1 ends the directory
	put32(sector+8, 0xfffffffe) // sector 2 is the stream
	for i, name := range []string{"Root Entry", stream} {
		entry := 2*sector + 128*i
		units := utf16.Encode([]rune(name))
		for j, u := range units {
			put16(entry+2*j, u)
		}
		put16(entry+64, uint16(2*len(units)+2))
		file[entry+66] = [...]byte{5, 2}[i]
		file[entry+67] = 1
		for _, at := range []int{68, 72, 76} {
			put32(entry+at, 0xffffffff)
		}
		put32(entry+116, [...]uint32{0xfffffffe, 2}[i])
		put32(entry+120, [...]uint32{0, sector}[i])
	}
	put32(2*sector+76, 1) // the root's child
	return file
}
