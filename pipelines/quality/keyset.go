package quality

import (
	"cmp"
	"math/bits"
	"slices"
)

const (
	shardBits = 6
	shards    = 1 << shardBits

	firstSlots = 16    // of a shard
	smallSlots = 1_024 // of a shard: 800 KiB in all
)

// A keySet holds the keys of the rows of a run, each as a 64-bit hash with the
// number of its row: 12 bytes a key, 15 to 20 with the slack of the table; a
// byte more once a second file begins. Of n different keys two have the same
// hash with a probability of n²/2⁶⁵: one in 37 million for a million rows.
//
// The table is cut in shards by the first bits of the hash, so that it grows a
// 64th at a time: no row waits for all keys to move, and only a 64th of them
// is in memory twice.
type keySet struct {
	shards [shards]shard
}

// A shard is a table with open addressing. Its slots are in the order of the
// hashes but for collisions, so that to grow is one pass over both tables.
type shard struct {
	hashes []uint64 // 0 is a free slot
	rows   []uint32
	files  []uint8 // nil while all rows are of file 0
	count  int
}

// A rowPlace says which row it was that had a key first.
type rowPlace struct {
	row  uint32
	file uint8
}

// find returns the place that was added with a hash.
func (s *keySet) find(hash uint64) (rowPlace, bool) {
	return s.shards[hash>>(64-shardBits)].find(hash)
}

// add notes a hash that is neither 0 nor in the set.
func (s *keySet) add(hash uint64, at rowPlace) {
	s.shards[hash>>(64-shardBits)].add(hash, at)
}

// reset empties the set and keeps its memory.
func (s *keySet) reset() {
	for i := range s.shards {
		clear(s.shards[i].hashes)
		s.shards[i].count = 0
	}
}

// len returns how many keys the set holds.
func (s *keySet) len() (n int) {
	for i := range s.shards {
		n += s.shards[i].count
	}
	return n
}

// sorted calls fn with every key, in the order of the hashes.
func (s *keySet) sorted(fn func(hash uint64, at rowPlace) error) error {
	type entry struct {
		hash uint64
		at   rowPlace
	}
	var entries []entry
	for i := range s.shards { // in the order of the first bits
		shard := &s.shards[i]
		entries = entries[:0]
		for slot, hash := range shard.hashes {
			if hash == 0 {
				continue
			}
			at := rowPlace{row: shard.rows[slot]}
			if shard.files != nil {
				at.file = shard.files[slot]
			}
			entries = append(entries, entry{hash, at})
		}
		slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.hash, b.hash) })
		for _, e := range entries {
			if err := fn(e.hash, e.at); err != nil {
				return err
			}
		}
	}
	return nil
}

// slot returns where to look first. The product maps the bits behind those of
// the shard evenly on any number of slots, which need be no power of two.
func (s *shard) slot(hash uint64) int {
	high, _ := bits.Mul64(hash<<shardBits, uint64(len(s.hashes)))
	return int(high)
}

func (s *shard) find(hash uint64) (at rowPlace, found bool) {
	if s.count == 0 {
		return at, false
	}
	for i := s.slot(hash); s.hashes[i] != 0; {
		if s.hashes[i] == hash {
			at.row = s.rows[i]
			if s.files != nil {
				at.file = s.files[i]
			}
			return at, true
		}
		if i++; i == len(s.hashes) {
			i = 0
		}
	}
	return at, false
}

func (s *shard) add(hash uint64, at rowPlace) {
	if s.count >= len(s.hashes)*4/5 {
		s.grow()
	}
	if at.file > 0 && s.files == nil {
		s.files = make([]uint8, len(s.hashes))
	}
	s.insert(hash, at)
	s.count++
}

func (s *shard) insert(hash uint64, at rowPlace) {
	i := s.slot(hash)
	for s.hashes[i] != 0 {
		if i++; i == len(s.hashes) {
			i = 0
		}
	}
	s.hashes[i], s.rows[i] = hash, at.row
	if s.files != nil {
		s.files[i] = at.file
	}
}

// grow adds a third to a large table, so that it is filled to three fifths at
// least. To double it would waste up to half of it, which counts where keys
// are many; a small table doubles.
func (s *shard) grow() {
	slots := max(firstSlots, 2*len(s.hashes))
	if slots > smallSlots {
		slots = max(smallSlots, len(s.hashes)*4/3)
	}
	old := *s
	s.hashes, s.rows = make([]uint64, slots), make([]uint32, slots)
	if old.files != nil {
		s.files = make([]uint8, slots)
	}
	for i, hash := range old.hashes {
		if hash == 0 {
			continue
		}
		at := rowPlace{row: old.rows[i]}
		if old.files != nil {
			at.file = old.files[i]
		}
		s.insert(hash, at)
	}
}
