package catalog

import (
	"context"
	"strings"
	"unicode"

	"crossdock/commerce"
	"crossdock/internal/store"
)

// maxCandidates bounds what a search ranks: the words of a search that finds
// more say too little to rank by.
const maxCandidates = 10_000

// How each engine finds and ranks products: a word in a number counts most,
// then one in the name, the brand, the description.
const (
	foundInSQLite = `bm25(product_search, 10, 10, 8, 5, 1, 3) AS rank
		FROM product_search JOIN product p ON p.id = product_search.rowid WHERE product_search MATCH ?1`
	foundInPostgres = `CAST(-ts_rank(CAST('{0.1, 0.3, 0.5, 1}' AS float4[]), s.words, CAST(?1 AS tsquery), 1) AS float8) AS rank
		FROM product_search s JOIN product p ON p.sku = s.sku WHERE s.words @@ CAST(?1 AS tsquery)`
)

// search lists the products in which the words occur, by relevance.
func (s *Service) search(ctx context.Context, q ProductQuery, categories []string, after place) ([]place, error) {
	match, found := matchExpression(q.Words), foundInSQLite
	if s.db.Postgres() {
		match, found = wordQuery(q.Words), foundInPostgres
	}
	if match == "" {
		return nil, commerce.Errorf(commerce.Invalid, "has no letter or digit to search for").At("query.q")
	}
	within, err := store.Array(categories)
	if err != nil {
		return nil, err
	}
	return store.Collect(ctx, s.db.Read(), scanPlace, `
		SELECT id, sku, rank FROM (
			SELECT p.id, p.sku, `+found+` AND (?2 = 'all' OR p.status = ?2) AND (?3 = '' OR p.brand = ?3)
			  AND (?4 = '' OR p.gtin = ?4) AND (?5 = '' OR p.category IN (SELECT value FROM `+s.db.List("?6")+` l))
			LIMIT ?7) f
		WHERE CAST(?8 AS bigint) = 0 OR rank > ?9 OR rank = ?9 AND id > ?8
		ORDER BY rank, id LIMIT ?10`,
		match, q.Status, q.Brand, q.GTIN, q.Category, within, maxCandidates, after.ID, after.Rank, q.Limit+1)
}

// matchExpression writes words as an expression of FTS5 that asks for all of
// them, each by its beginning. Each is a quoted string there, in which nothing
// has a meaning of its own.
func matchExpression(words string) string {
	var terms []string
	for word := range strings.FieldsSeq(words) {
		word = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, word)
		if strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) {
			terms = append(terms, `"`+strings.ReplaceAll(word, `"`, `""`)+`"*`)
		}
	}
	return strings.Join(terms, " ")
}
