package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"crossdock/internal/store"
)

// Words are folded here and not by PostgreSQL, so that a search finds the same
// as in SQLite, and nothing has to be installed in the database beside.

// fold returns the words of a text: runs of letters and digits, in lower case
// and without accents, as FTS5 has them.
func fold(text string) []string {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 && word.Len() <= maxWord {
			words = append(words, word.String())
		}
		word.Reset()
	}
	for _, r := range norm.NFD.String(text) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			word.WriteRune(unicode.ToLower(r))
		default:
			end()
		}
	}
	end()
	return words
}

// PostgreSQL's limits of a word in bytes, and of the positions in a document.
const (
	maxWord     = 2046
	maxPosition = 16_383
)

// wordQuery writes words as a tsquery that asks for all of them, each by its
// beginning; what a hyphen joins has to stand together. It is "" where there
// is nothing to search for.
func wordQuery(text string) string {
	var terms []string
	for part := range strings.FieldsSeq(text) {
		if words := fold(part); len(words) > 0 {
			terms = append(terms, "("+strings.Join(words, " <-> ")+":*)")
		}
	}
	return strings.Join(terms, " & ")
}

// A document gathers the words of a product as a tsvector.
type document struct {
	b        []byte
	position int
}

// add adds a text of the weight given. No phrase reaches from one text into the next.
func (d *document) add(text, weight string) {
	for _, word := range fold(text) {
		if d.position++; d.position > maxPosition {
			return
		}
		d.b = append(d.b, word...)
		d.b = append(d.b, ':')
		d.b = strconv.AppendInt(d.b, int64(d.position), 10)
		d.b = append(d.b, weight...)
		d.b = append(d.b, ' ')
	}
	d.position++
}

// addWords brings the products of a range of ids into the search index of PostgreSQL.
func addWords(ctx context.Context, tx *sql.Tx, first, last int64) error {
	var ids []int64
	var skus, documents []string
	_, err := store.Collect(ctx, tx, func(rows *sql.Rows) (none struct{}, err error) {
		var id int64
		var sku string
		var gtin, mpn, brand sql.NullString
		var name, description texts
		if err := rows.Scan(&id, &sku, &gtin, &mpn, &name, &description, &brand); err != nil {
			return none, err
		}
		var d document
		for _, number := range []string{sku, gtin.String, mpn.String} {
			d.add(number, "A")
		}
		for _, lang := range slices.Sorted(maps.Keys(name)) {
			d.add(name[lang], "B")
		}
		d.add(brand.String, "C")
		for _, lang := range slices.Sorted(maps.Keys(description)) {
			d.add(description[lang], "D")
		}
		ids, skus, documents = append(ids, id), append(skus, sku), append(documents, string(d.b))
		return none, nil
	}, `SELECT id, sku, gtin, mpn, name, description, brand FROM product WHERE id BETWEEN ? AND ?`, first, last)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO product_search (id, sku, words)
		SELECT id, sku, CAST(words AS tsvector) FROM unnest(CAST(? AS bigint[]), CAST(? AS text[]), CAST(? AS text[])) AS d (id, sku, words)`,
		ids, skus, documents); err != nil {
		return fmt.Errorf("words of products %d to %d: %w", first, last, err)
	}
	return nil
}
