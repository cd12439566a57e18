package upsert

import "database/sql/driver"

// changeRow merges a row into the one that has its key, or creates it where a
// row before it has deleted that.
func (p *pass) changeRow(row int) error {
	there, err := p.changeThere(row)
	if there || err != nil {
		return err
	}
	return p.createRow(row)
}

// changeThere merges a row into the one that has its key, if any.
func (p *pass) changeThere(row int) (there bool, err error) {
	if !p.fillKey(row) {
		return true, nil // rejected
	}
	if there, err := p.readOld(); !there || err != nil {
		return false, err
	}
	if p.states == nil {
		p.found++ // where the keys were asked for, it is counted already
	}
	old := p.stored()
	if p.old[1] == int64(p.hashes[row]) && p.reverts == "" {
		p.outcome.Unchanged++
		return true, nil
	}
	changed, rejected, err := p.mergeRow(row, old)
	if err != nil || rejected {
		return true, err
	}
	// What is put back is written even where it is the same by now: its number
	// must not be that of the run, which would pass for having created it.
	if !changed && p.reverts == "" {
		p.outcome.Unchanged++
		return true, nil
	}
	if refused, err := p.judged(row, Update, old, p.merged); err != nil || refused {
		return true, err
	}
	p.changed++
	return true, p.writeMerged(row)
}

// writeMerged updates the row that was read last to what it was merged to.
func (p *pass) writeMerged(row int) error {
	p.sets[0].Value, p.sets[1].Value = int64(p.hashes[row]), p.seq
	n := 2
	for _, i := range p.sent {
		p.sets[n].Value = p.merged[i]
		n++
	}
	if p.t.byID {
		p.sets[n].Value = p.old[0]
	} else {
		for j := range p.keyArgs {
			p.sets[n+j].Value = p.keyArgs[j].Value
		}
	}
	s, err := p.conn.Prepare(p.update)
	if err != nil {
		return err
	}
	if _, _, err := s.Exec(p.sets); err != nil {
		return p.failed(row, err)
	}
	if err := p.keepOld(row); err != nil {
		return err
	}
	id, _ := p.old[0].(int64)
	return p.applied(row, id, Update)
}

// mergeRow sets merged to the stored row with what the batch sends: absent
// fields stay, nulls clear, or take the default where there is one.
func (p *pass) mergeRow(row int, old []driver.Value) (changed, rejected bool, err error) {
	copy(p.merged, old)
	for i := range p.t.columns {
		c, inputs := &p.t.columns[i], p.inputs[i]
		if len(inputs) == 0 || c.field.Key {
			continue
		}
		if c.object {
			if p.merged[i], err = p.objects.merge(old[i], inputs, row); err != nil {
				return false, false, err
			}
		} else if !inputs[0].isAbsent(row) {
			p.merged[i] = orDefault(inputs[0].value(row), c.fallback)
		}
		if p.merged[i] == nil && c.field.Required {
			p.rejectCleared(row, i)
			return false, true, nil
		}
		changed = changed || p.merged[i] != old[i]
	}
	return changed, false, nil
}

func (p *pass) rejectCleared(row, column int) {
	p.reject(row, p.fieldOf(column), "required", "cannot be cleared: every row needs it")
}

// deleteRow deletes the row that has the key, if any.
func (p *pass) deleteRow(row int) error {
	if !p.fillKey(row) {
		return nil
	}
	there, err := p.readOld()
	if err != nil {
		return err
	}
	if !there {
		p.outcome.Unchanged++
		return nil
	}
	p.found++
	if refused, err := p.judged(row, Delete, p.stored(), nil); err != nil || refused {
		return err
	}
	s, err := p.conn.Prepare(p.t.deleteSQL)
	if err != nil {
		return err
	}
	if _, _, err := s.Exec(p.keyArgs); err != nil {
		return p.failed(row, err)
	}
	if err := p.keepOld(row); err != nil {
		return err
	}
	if err := p.bury(row); err != nil {
		return err
	}
	id, _ := p.old[0].(int64)
	return p.applied(row, id, Delete)
}

// stored returns the columns of the row that was read last.
func (p *pass) stored() []driver.Value { return p.old[2 : 2+len(p.t.columns)] }

// readOld reads the stored row whose key was filled in last.
func (p *pass) readOld() (bool, error) {
	s, err := p.conn.Prepare(p.t.readSQL)
	if err != nil {
		return false, err
	}
	return s.Row(p.keyArgs, p.old)
}
