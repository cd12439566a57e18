package quality

// A Set holds texts by their hash, of which two are taken for one with the
// probability that keySet tells: millions of them in bounded memory.
type Set struct{ history }

// NewSet returns an empty set that moves what it holds to a scratch file once
// there is much of it.
func NewSet(scratch func() (Scratch, error)) *Set {
	return &Set{history{scratch: scratch}}
}

// Add adds a text.
func (s *Set) Add(text string) error {
	if hash := hashText(text); !s.holds(hash) {
		s.add(hash, rowPlace{row: 1})
	}
	return s.err
}

// Has reports whether a text was added.
func (s *Set) Has(text string) (bool, error) { return s.holds(hashText(text)), s.err }

func (s *Set) holds(hash uint64) bool {
	_, ok := s.find(hash)
	return ok
}
