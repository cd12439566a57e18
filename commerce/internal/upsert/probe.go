package upsert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ask reads which keys the table holds, with the hashes of their rows.
func (p *pass) ask(from int) error {
	in := p.inputs[p.t.key[0]]
	if len(in) == 0 || in[0].text == nil {
		return nil
	}
	var rows []int
	list := []byte{'['}
	p.batch.Each(func(row int) bool {
		if row < from || in[0].rows.IsNull(row) {
			return true
		}
		// A NUL ends a text of JSON early. A row left out is tried as a new one.
		if key := in[0].text.Value(row); strings.IndexByte(key, 0) < 0 {
			if len(rows) > 0 {
				list = append(list, ',')
			}
			list = appendString(list, key)
			rows = append(rows, row)
		}
		return true
	})
	answer, err := p.conn.Text(p.t.probeSQL, string(append(list, ']')))
	if err != nil {
		return err
	}
	p.known = make(map[int]int64, strings.Count(answer, "\n")+1)
	for line := range strings.Lines(answer) {
		place, hash, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		i, err := strconv.Atoi(place)
		if err != nil || i >= len(rows) {
			return fmt.Errorf("answer %q about %d keys", line, len(rows))
		}
		if p.known[rows[i]], err = strconv.ParseInt(hash, 10, 64); err != nil {
			return fmt.Errorf("answer %q about %d keys", line, len(rows))
		}
	}
	return nil
}

// groupRows bounds how many rows of the table a question about groups may read
// for each row of the batch.
const groupRows = 16

// askGroups reads which keys of several parts the table holds, with the hashes
// of their rows. It asks for the first parts, each once, and for all rows that
// begin with them: they lie together, and a file mostly has all of them. What
// the answer lacks is tried as a new row, so that it may be incomplete.
func (p *pass) askGroups(from int) error {
	g := groups{pass: p, firsts: map[string]int{}}
	p.batch.Each(func(row int) bool {
		if row >= from {
			g.add(row)
		}
		return true
	})
	p.known = map[int]int64{}
	if len(g.rows) == 0 {
		return nil
	}
	answer, err := p.conn.Text(g.question(), string(append(g.list, ']')))
	if err != nil {
		return err
	}
	return g.read(answer)
}

// groups are the keys of a batch by their first part.
type groups struct {
	*pass
	firsts map[string]int // by first part, its place in list
	list   []byte         // JSON array of the first parts
	keys   []string       // as the answer has them, each once
	rows   []int          // of the batch
	slotOf []int          // by place in rows, that in keys
	key    []byte

	// Most files have the rows of a group together: then keys are compared with
	// those of their group alone, and slots is made only where that fails.
	last    string
	place   int // of last
	begin   int // where its group begins in keys
	apart   bool
	slots   map[string]int // the places of keys; nil: not made
	indexed int            // how many of keys are in slots

	varyingParts []int // once varyingKey was called
}

// add adds the key of a row, unless it lacks a part of it.
func (g *groups) add(row int) {
	first, ok := g.keyValue(g.t.key[0], row).(string)
	if !ok || strings.IndexByte(first, 0) >= 0 { // a NUL ends a text of JSON early
		return
	}
	if first != g.last || len(g.firsts) == 0 {
		g.enter(first)
	}
	g.key = strconv.AppendInt(g.key[:0], int64(g.place), 10)
	for _, k := range g.varyingKey() {
		g.key = append(g.key, ' ')
		switch v := g.keyValue(k, row).(type) {
		case string:
			g.key = appendString(g.key, v)
		case int64:
			g.key = strconv.AppendInt(g.key, v, 10)
		default:
			return
		}
	}
	slot, known := g.find()
	if !known {
		slot = len(g.keys)
		g.keys = append(g.keys, string(g.key))
	}
	g.rows, g.slotOf = append(g.rows, row), append(g.slotOf, slot)
}

// enter goes to the group of a first part.
func (g *groups) enter(first string) {
	place, known := g.firsts[first]
	if !known {
		place = len(g.firsts)
		g.firsts[first] = place
		separator := byte(',')
		if place == 0 {
			separator = '['
		}
		g.list = appendString(append(g.list, separator), first)
	}
	g.apart = g.apart || known
	g.last, g.place, g.begin = first, place, len(g.keys)
}

// maxCompared is up to how many keys of a group are compared one by one.
const maxCompared = 16

// find returns the place of the key at hand.
func (g *groups) find() (slot int, known bool) {
	if g.apart || len(g.keys)-g.begin > maxCompared {
		return g.lookup(string(g.key))
	}
	for slot := g.begin; slot < len(g.keys); slot++ {
		if g.keys[slot] == string(g.key) {
			return slot, true
		}
	}
	return 0, false
}

// lookup finds a key among all of them.
func (g *groups) lookup(key string) (slot int, known bool) {
	if g.slots == nil {
		g.slots = make(map[string]int, len(g.keys))
	}
	for ; g.indexed < len(g.keys); g.indexed++ {
		g.slots[g.keys[g.indexed]] = g.indexed
	}
	slot, known = g.slots[key]
	return slot, known
}

// varyingKey returns the parts of the key behind the first that differ from row
// to row; the others stand in the question.
func (g *groups) varyingKey() []int {
	if g.varyingParts == nil {
		g.varyingParts = []int{}
		for _, k := range g.t.key[1:] {
			if slices.Contains(g.varying, k) {
				g.varyingParts = append(g.varyingParts, k)
			}
		}
	}
	return g.varyingParts
}

// question asks for lines of the place of a first part, the other parts as add
// writes them, and the hash.
func (g *groups) question() string {
	var b strings.Builder
	b.WriteString("SELECT group_concat(line, char(10)) FROM (SELECT j.key")
	for _, k := range g.varyingKey() {
		c := &g.t.columns[k]
		part := "t." + c.name
		if _, number := g.keyValue(k, g.rows[0]).(int64); !number {
			part = "json_quote(" + part + ")"
		}
		b.WriteString(" || ' ' || " + part)
	}
	b.WriteString(" || ' ' || t.row_hash AS line FROM json_each(?) j CROSS JOIN " + g.t.name + " t ON t." + g.t.columns[g.t.key[0]].name + " = j.value")
	for _, k := range g.t.key[1:] {
		if !slices.Contains(g.varying, k) {
			b.WriteString(" AND t." + g.t.columns[k].name + " = " + literal(g.keyValue(k, g.rows[0])))
		}
	}
	fmt.Fprintf(&b, " LIMIT %d)", groupRows*g.batch.Count())
	return b.String()
}

// read notes the hashes of an answer by the rows of the batch.
func (g *groups) read(answer string) error {
	hashes, there := make([]int64, len(g.keys)), make([]bool, len(g.keys))
	next := 0 // the slot that follows: most files are in the order of their keys, and so is the answer
	for line := range strings.Lines(answer) {
		line = strings.TrimSuffix(line, "\n")
		end := strings.LastIndexByte(line, ' ')
		if end < 0 {
			return fmt.Errorf("answer %q about %d keys", line, len(g.rows))
		}
		slot := next
		if slot >= len(g.keys) || g.keys[slot] != line[:end] {
			var ours bool
			if slot, ours = g.lookup(line[:end]); !ours {
				continue
			}
		}
		next = slot + 1
		var err error
		if hashes[slot], err = strconv.ParseInt(line[end+1:], 10, 64); err != nil {
			return fmt.Errorf("answer %q about %d keys", line, len(g.rows))
		}
		there[slot] = true
	}
	for i, row := range g.rows {
		if slot := g.slotOf[i]; there[slot] {
			g.known[row] = hashes[slot]
		}
	}
	return nil
}
