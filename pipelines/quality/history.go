package quality

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"crossdock/schemas"
)

// Scratch is a file to which keys are moved when there are many. It is written
// from its beginning on and read anywhere; whoever gave it closes it.
type Scratch interface {
	io.ReaderAt
	io.Writer
}

// keysInMemory is how many keys of a run are kept in memory: about 18 MB.
const keysInMemory = 1_000_000

// A history holds the keys of the rows of a run that passed: the latest ones in
// memory, and the others, where a scratch file can be had, in sorted runs on
// disk. Of those a filter stays in memory, of ten bits a key, by which nearly
// all keys that are new are known to be new without looking.
type history struct {
	memory  keySet
	count   int // in memory
	limit   int
	scratch func() (Scratch, error) // nil: all stay in memory
	file    Scratch
	end     int64
	runs    []sortedRun
	block   []byte
	err     error // that ended it: what it says since is not to be used
}

// A sortedRun is a part of the scratch file: records in the order of their hashes.
type sortedRun struct {
	offset int64
	count  int
	first  []uint64 // the hash of the first record of each block
	filter filter
}

const (
	recordBytes  = 8 + 4 + 1 // hash, row, file
	blockRecords = 256
)

// find returns the place that was added with a hash.
func (h *history) find(hash uint64) (rowPlace, bool) {
	if at, ok := h.memory.find(hash); ok {
		return at, true
	}
	for i := range h.runs {
		if r := &h.runs[i]; h.err == nil && r.filter.mayHold(hash) {
			if at, ok := h.look(r, hash); ok {
				return at, true
			}
		}
	}
	return rowPlace{}, false
}

// add notes a hash that is neither 0 nor in the history.
func (h *history) add(hash uint64, at rowPlace) {
	if h.scratch != nil && h.count >= cmp.Or(h.limit, keysInMemory) && h.err == nil {
		if err := h.spill(); err != nil {
			h.err = fmt.Errorf("keep the keys of the run on disk: %w", err)
		}
	}
	h.memory.add(hash, at)
	h.count++
}

// spill moves the keys in memory to the scratch file.
func (h *history) spill() (err error) {
	if h.file == nil {
		if h.file, err = h.scratch(); err != nil {
			return err
		}
	}
	run := sortedRun{offset: h.end, filter: newFilter(h.count)}
	out := bufio.NewWriterSize(h.file, 1<<20)
	record := make([]byte, recordBytes)
	err = h.memory.sorted(func(hash uint64, at rowPlace) error {
		if run.count%blockRecords == 0 {
			run.first = append(run.first, hash)
		}
		run.count++
		run.filter.add(hash)
		binary.LittleEndian.PutUint64(record, hash)
		binary.LittleEndian.PutUint32(record[8:], at.row)
		record[12] = at.file
		_, err := out.Write(record)
		return err
	})
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	h.end += int64(run.count) * recordBytes
	h.runs = append(h.runs, run)
	h.memory.reset()
	h.count = 0
	return nil
}

// look reads the block of a run in which the hash would stand.
func (h *history) look(r *sortedRun, hash uint64) (rowPlace, bool) {
	block, exact := slices.BinarySearch(r.first, hash)
	if !exact {
		block--
	}
	if block < 0 {
		return rowPlace{}, false
	}
	start := block * blockRecords
	n := min(r.count-start, blockRecords) * recordBytes
	if h.block == nil {
		h.block = make([]byte, blockRecords*recordBytes)
	}
	if _, err := h.file.ReadAt(h.block[:n], r.offset+int64(start)*recordBytes); err != nil {
		h.err = fmt.Errorf("read the keys of the run from disk: %w", err)
		return rowPlace{}, false
	}
	for at := 0; at < n; at += recordBytes {
		if binary.LittleEndian.Uint64(h.block[at:]) == hash {
			return rowPlace{row: binary.LittleEndian.Uint32(h.block[at+8:]), file: h.block[at+12]}, true
		}
	}
	return rowPlace{}, false
}

// A filter is a Bloom filter: it may take a key for one that it holds, one in
// a hundred, but never the other way round.
type filter []uint64

const (
	filterBits   = 10 // a key
	filterProbes = 7
)

func newFilter(keys int) filter { return make(filter, keys*filterBits/64+1) }

func (f filter) add(hash uint64) {
	step := schemas.Mix(hash) | 1
	for range filterProbes {
		bit := hash % uint64(len(f)*64)
		f[bit/64] |= 1 << (bit % 64)
		hash += step
	}
}

func (f filter) mayHold(hash uint64) bool {
	step := schemas.Mix(hash) | 1
	for range filterProbes {
		bit := hash % uint64(len(f)*64)
		if f[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
		hash += step
	}
	return true
}
