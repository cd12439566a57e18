package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/internal/web"
)

// A Category is one node of the tree in one reader's language.
type Category struct {
	Category string            `json:"category" doc:"Code of the category." example:"bikes-mountain"`
	Name     string            `json:"name" doc:"Name, in the language that lang_used.name tells." example:"Mountain bikes"`
	Parent   string            `json:"parent,omitempty" doc:"Code of the category above; absent for a root." example:"bikes"`
	Position *int64            `json:"position,omitempty" doc:"Place among its siblings."`
	Status   string            `json:"status" doc:"Whether buyers see it." enum:"active,inactive"`
	Depth    int               `json:"depth" doc:"Categories above it." example:"1"`
	LangUsed map[string]string `json:"lang_used" doc:"The language of each text shown."`
}

// A CategoryQuery says which categories to list.
type CategoryQuery struct {
	Limit  int // 0: 500
	Cursor string
	Parent string // only those directly below it; "": the whole tree
	Status string // "": active; with an inactive category goes what is below it; all: any
	Lang   string
}

// A CategoryPage is one page of a list of categories.
type CategoryPage struct {
	Items      []Category `json:"items" doc:"The categories as a tree is read: each is followed by those below it."`
	NextCursor string     `json:"next_cursor,omitempty" doc:"Where the list goes on; absent on the last page."`
}

// Categories lists categories a page at a time: each is followed by those
// below it, siblings by position and code.
func (s *Service) Categories(ctx context.Context, q CategoryQuery) (CategoryPage, error) {
	page := CategoryPage{Items: []Category{}}
	if q.Limit <= 0 {
		q.Limit = 500
	}
	languages, err := chain(q.Lang)
	if err != nil {
		return page, err
	}
	var after string
	if err := web.DecodeCursor(q.Cursor, &after); err != nil {
		return page, err
	}
	all, err := store.Collect(ctx, s.db.Read(), scanCategory(languages), `
		SELECT category, name, parent, position, status FROM category
		ORDER BY position IS NULL, position, category`)
	if err != nil {
		return page, err
	}
	if q.Parent != "" && !slices.ContainsFunc(all, func(c Category) bool { return c.Category == q.Parent }) {
		return page, commerce.Errorf(commerce.Invalid, "there is no category %s", q.Parent).At("query.parent")
	}
	list := inTreeOrder(all, q.Parent, q.Status)
	if after != "" {
		// The cursor names the first category of the page: one that is gone
		// cannot say where the list goes on.
		start := slices.IndexFunc(list, func(c Category) bool { return c.Category == after })
		if start < 0 {
			return page, commerce.Errorf(commerce.Invalid, "points to a category that has gone: begin without one").At("query.cursor")
		}
		list = list[start:]
	}
	if len(list) > q.Limit {
		page.NextCursor = web.EncodeCursor(list[q.Limit].Category)
		list = list[:q.Limit]
	}
	page.Items = append(page.Items, list...)
	return page, nil
}

func scanCategory(chain []string) func(*sql.Rows) (Category, error) {
	return func(rows *sql.Rows) (Category, error) {
		c := Category{LangUsed: map[string]string{}}
		var name texts
		var parent sql.NullString
		if err := rows.Scan(&c.Category, &name, &parent, &c.Position, &c.Status); err != nil {
			return c, err
		}
		c.Parent = parent.String
		var lang string
		if c.Name, lang = name.in(chain); lang != "" {
			c.LangUsed["name"] = lang
		}
		return c, nil
	}
}

// inTreeOrder returns the categories as a tree is read, or those directly
// below parent. Siblings keep the order they have in all.
func inTreeOrder(all []Category, parent, status string) []Category {
	below := map[string][]Category{}
	depth := map[string]string{} // parents, to count the way up
	for _, c := range all {
		below[c.Parent] = append(below[c.Parent], c)
		depth[c.Category] = c.Parent
	}
	shown := func(c Category) bool { return status == "all" || c.Status == cmp.Or(status, "active") }
	var list []Category
	if parent != "" {
		level := 1
		for at := depth[parent]; at != "" && level <= maxDepth; at = depth[at] {
			level++
		}
		for _, c := range below[parent] {
			if shown(c) {
				c.Depth = level
				list = append(list, c)
			}
		}
		return list
	}
	var walk func(parent string, level int)
	walk = func(parent string, level int) {
		for _, c := range below[parent] {
			if shown(c) {
				c.Depth = level
				list = append(list, c)
				walk(c.Category, level+1)
			}
		}
	}
	walk("", 0)
	return list
}
