package quality

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// A member is what a rule over groups keeps of one row.
type member struct {
	values [3]int64 // as the rule understands them
	at     rowPlace
	next   uint32 // behind it in the same group, counted from 1
}

// membersInMemory is how many rows are kept in memory for each rule over
// groups: about 30 MB.
const membersInMemory = 500_000

const (
	memberBytes  = 8 + 3*8 + 4 + 1 // hash, values, row, file
	blockMembers = 128
)

// A memberStore holds the rows of a run by the hash of their group: the latest
// in memory, the others, where a scratch file can be had, in sorted runs on
// disk. Rows of a group mostly stand together, so that a filter tells nearly
// always that there is none of it on disk.
type memberStore struct {
	heads   keySet // by hash: where in list the group begins
	list    []member
	limit   int                     // 0: membersInMemory
	scratch func() (Scratch, error) // nil: all stay in memory
	file    Scratch
	end     int64
	runs    []sortedRun
	block   []byte
}

// reset empties the store, which has nothing on disk, and keeps its memory.
func (s *memberStore) reset() {
	s.heads.reset()
	s.list = s.list[:0]
}

// add notes a row of a group.
func (s *memberStore) add(hash uint64, m member) error {
	if s.scratch != nil && len(s.list) >= cmp.Or(s.limit, membersInMemory) {
		if err := s.spill(); err != nil {
			return fmt.Errorf("keep the rows of the run on disk: %w", err)
		}
	}
	m.next = 0
	if head, ok := s.heads.find(hash); ok {
		m.next, s.list[head.row].next = s.list[head.row].next, uint32(len(s.list)+1)
	} else {
		s.heads.add(hash, rowPlace{row: uint32(len(s.list))})
	}
	s.list = append(s.list, m)
	return nil
}

// each calls fn with every row of a group, in any order.
func (s *memberStore) each(hash uint64, fn func(*member)) error {
	if head, ok := s.heads.find(hash); ok {
		for i := head.row + 1; i > 0; i = s.list[i-1].next {
			fn(&s.list[i-1])
		}
	}
	for i := range s.runs {
		if r := &s.runs[i]; r.filter.mayHold(hash) {
			if err := s.look(r, hash, fn); err != nil {
				return fmt.Errorf("read the rows of the run from disk: %w", err)
			}
		}
	}
	return nil
}

// spill moves the rows in memory to the scratch file, in the order of the
// hashes of their groups.
func (s *memberStore) spill() (err error) {
	if s.file == nil {
		if s.file, err = s.scratch(); err != nil {
			return err
		}
	}
	run := sortedRun{offset: s.end, filter: newFilter(s.heads.len())}
	out := bufio.NewWriterSize(s.file, 1<<20)
	record := make([]byte, memberBytes)
	err = s.heads.sorted(func(hash uint64, head rowPlace) error {
		run.filter.add(hash)
		for i := head.row + 1; i > 0; i = s.list[i-1].next {
			if run.count%blockMembers == 0 {
				run.first = append(run.first, hash)
			}
			run.count++
			encodeMember(record, hash, &s.list[i-1])
			if _, err := out.Write(record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	s.end += int64(run.count) * memberBytes
	s.runs = append(s.runs, run)
	s.reset()
	return nil
}

func encodeMember(record []byte, hash uint64, m *member) {
	binary.LittleEndian.PutUint64(record, hash)
	for i, value := range m.values {
		binary.LittleEndian.PutUint64(record[8+8*i:], uint64(value))
	}
	binary.LittleEndian.PutUint32(record[32:], m.at.row)
	record[36] = m.at.file
}

func decodeMember(record []byte) (m member) {
	for i := range m.values {
		m.values[i] = int64(binary.LittleEndian.Uint64(record[8+8*i:]))
	}
	m.at = rowPlace{row: binary.LittleEndian.Uint32(record[32:]), file: record[36]}
	return m
}

// look reads the blocks of a run in which rows of the group would stand: they
// may begin at the end of the block before the first that begins with them.
func (s *memberStore) look(r *sortedRun, hash uint64, fn func(*member)) error {
	at, _ := slices.BinarySearch(r.first, hash)
	if s.block == nil {
		s.block = make([]byte, blockMembers*memberBytes)
	}
	for at = max(at-1, 0); at < len(r.first) && r.first[at] <= hash; at++ {
		start := at * blockMembers
		n := min(r.count-start, blockMembers) * memberBytes
		if _, err := s.file.ReadAt(s.block[:n], r.offset+int64(start)*memberBytes); err != nil {
			return err
		}
		for record := s.block[:n]; len(record) > 0; record = record[memberBytes:] {
			if binary.LittleEndian.Uint64(record) == hash {
				m := decodeMember(record)
				fn(&m)
			}
		}
	}
	return nil
}
