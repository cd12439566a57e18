package quality

import "math/bits"

const (
	shardBits = 6
	shards    = 1 << shardBits

	firstSlots = 16    // of a shard
	smallSlots = 1_024 // of a shard: 800 KiB in all
)

// A keySet holds the keys of the rows of a run, each as a 64-bit hash with the
// number of its row: 12 bytes a key, 15 to 20 with the slack of the table. Of
// n different keys two have the same hash with a probability of n²/2⁶⁵, which
// is one in 37 million for a million rows.
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
	count  int
}

// find returns the row number that was added with a hash.
func (s *keySet) find(hash uint64) (uint32, bool) {
	return s.shards[hash>>(64-shardBits)].find(hash)
}

// add notes a hash that is neither 0 nor in the set.
func (s *keySet) add(hash uint64, row uint32) {
	s.shards[hash>>(64-shardBits)].add(hash, row)
}

// reset empties the set and keeps its memory.
func (s *keySet) reset() {
	for i := range s.shards {
		clear(s.shards[i].hashes)
		s.shards[i].count = 0
	}
}

// slot returns where to look first. The product maps the bits behind those of
// the shard evenly on any number of slots, which need be no power of two.
func (s *shard) slot(hash uint64) int {
	high, _ := bits.Mul64(hash<<shardBits, uint64(len(s.hashes)))
	return int(high)
}

func (s *shard) find(hash uint64) (uint32, bool) {
	if s.count == 0 {
		return 0, false
	}
	for i := s.slot(hash); s.hashes[i] != 0; {
		if s.hashes[i] == hash {
			return s.rows[i], true
		}
		if i++; i == len(s.hashes) {
			i = 0
		}
	}
	return 0, false
}

func (s *shard) add(hash uint64, row uint32) {
	if s.count >= len(s.hashes)*4/5 {
		s.grow()
	}
	s.insert(hash, row)
	s.count++
}

func (s *shard) insert(hash uint64, row uint32) {
	i := s.slot(hash)
	for s.hashes[i] != 0 {
		if i++; i == len(s.hashes) {
			i = 0
		}
	}
	s.hashes[i], s.rows[i] = hash, row
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
	for i, hash := range old.hashes {
		if hash != 0 {
			s.insert(hash, old.rows[i])
		}
	}
}
