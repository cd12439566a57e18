package store

// #include "rowset.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// registerRowset gives the connections that are opened from now on the
// table-valued function rowset. To do so again does nothing.
func registerRowset() error {
	if code := C.rowset_register(); code != 0 {
		return fmt.Errorf("register rowset: code %d of SQLite", code)
	}
	return nil
}

// Lend makes rows readable for SQL as rowset(n), with n being the argument of
// fn, while fn runs. They have the columns c0, c1 and so on, and their number,
// from 0 on, as rowid. kinds has a byte a column: i for one of integers, t for
// one of texts.
//
// A statement that reads thousands of rows so does in one call what one prepared
// for a single row does in as many as it has values, each a call into C.
func (t *Tuples) Lend(kinds []byte, fn func(n int64) error) error {
	if len(t.b) == 0 {
		t.b = make([]byte, 0, 1)
	}
	var pinned runtime.Pinner
	defer pinned.Unpin()
	rows := unsafe.Pointer(unsafe.SliceData(t.b))
	pinned.Pin(rows)
	n := C.rowset_lend(rows, C.size_t(len(t.b)), (*C.char)(unsafe.Pointer(unsafe.SliceData(kinds))), C.int(len(kinds)))
	if n == 0 {
		return errors.New("no memory to lend rows, or too many columns")
	}
	defer C.rowset_return(n)
	return fn(int64(n))
}
