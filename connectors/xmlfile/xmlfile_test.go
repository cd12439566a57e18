package xmlfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossdock/connectors"
)

// A fault is a document that is broken as a whole.
type fault struct {
	name, content string
	settings      map[string]any
	want          string
}

func faults() []fault {
	whole := strings.TrimPrefix(twoDocuments()["a.xml"], "\xef\xbb\xbf")
	items := func(inner string) string { return "<catalog><items>" + inner + "</items></catalog>" }
	return []fault{
		{"empty", "", settings(), "the file is empty"},
		{"blanks", " \n", settings(), "nothing but blanks"},
		{"text", "sku;name\n", settings(), "delimited text is read by connector csv"},
		{"JSON", `{"a":1}`, settings(), "use connector json"},
		{"a workbook", "PK\x03\x04\x14\x00\x06\x00\x08\x00[Content_Types].xml", settings(), "it looks like an Excel workbook"},
		{"a comment alone", "<!-- x -->", settings(), "holds no XML element"},
		{"cut off", whole[:len(whole)/2], settings(), "x.xml:8: the file is cut off"},
		{"cut off behind the records", whole[:strings.Index(whole, "</catalog>")], settings(), "the file is cut off"},
		{"two documents", whole + items("<item/>"), settings(), "a second root element follows the first"},
		{"text behind the end", items("<item>1</item>") + "x", settings(), "text outside of the root element"},
		{"tags that do not match", items("<item></itm>"), settings(), "is malformed"},
		{"an attribute that stands twice", items(`<item a="1" a="2"/>`), settings(), "x.xml:1: is malformed: the attribute a stands twice"},
		{"another path", whole, settings("record", "/catalog/item"), "there are /catalog/items/item (4 times)"},
		{"a root alone", "<catalog/>", settings(), "there are no elements with others in them"},
		{"a document type", `<!DOCTYPE catalog SYSTEM "http://localhost/x.dtd">` + items("<item>1</item>"), settings(), "set doctype to ignore"},
		{"entities", `<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + items("<item>&x;</item>"), settings("doctype", "ignore"), "with elements or entities of its own: refused"},
		{"billion laughs", `<!DOCTYPE c [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>` + items("<item>&b;</item>"), settings(), "refused"},
		{"an unknown entity", items("<item>&nbsp;</item>"), settings(), "x.xml:1: invalid character entity &nbsp;\nentities that a document type declares are refused"},
		{"not UTF-8", items("<item>\xd6l</item>"), settings(), "set encoding to that of the file"},
		{"an unknown encoding", `<?xml version="1.0" encoding="latin-77"?>` + items("<item/>"), settings(), "the encoding that the file declares"},
		{"deep", items("<item>" + strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200) + "</item>"), settings(), "nested more than 100 deep"},
		{"deep beside the records", items(strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200)), settings(), "nested more than 100 deep"},
		{"many names", items("<item>" + manyNames(5000) + "</item>"), settings(), "more than 4096 different elements"},
		{"nothing to explode", items("<item>1</item>"), settings("explode", "price"), `explode is "price", but no record has such an element`},
		{"columns that are nowhere", items("<item>1</item>"), settings("columns", map[string]any{"a": "b"}), "no record has a value in any of its columns"},
		{"much above the records", "<catalog><x>" + strings.Repeat("y", 2<<20) + "</x><items><item>1</item></items></catalog>", settings("columns", map[string]any{"a": "../../x"}), "hold more than 1024 KiB"},
		{"gzip cut off", "\x1f\x8b\x08", settings(), "is not a whole gzip file"},
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		name := "n" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i%11) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26))
		b.WriteString("<" + name + ">1</" + name + ">")
	}
	return b.String()
}

func TestSettings(t *testing.T) {
	columns := func(path string) map[string]any { return map[string]any{"a": path} }
	for _, tt := range []struct {
		setting string
		value   any
		want    string
	}{
		{"record", "catalog/item", `record: is "catalog/item", but must begin at the root`},
		{"record", "/", "record: is"},
		{"record", "/catalog/@x", "cannot have attributes or predicates"},
		{"record", `/catalog/item[@a="b"]`, "cannot have attributes or predicates"},
		{"columns", columns("a//b"), `columns.a: is "a//b", which has no name before "/b"`},
		{"columns", columns("a/@b/c"), "goes on behind an attribute"},
		{"columns", columns("@b[1]"), "has a predicate behind an attribute"},
		{"columns", columns("a[b]"), "columns.a: "},
		{"columns", columns(`a[b="c]`), "has a predicate that is not closed"},
		{"columns", columns(`a[b=c]`), "compares with something that has no quotes"},
		{"columns", columns(`a[b[1]="c"]`), "has a predicate within a predicate"},
		{"columns", columns(`a[1][1][1][1][1]`), "more than 4 predicates"},
		{"columns", columns("g:a"), `has the prefix "g", which namespaces does not name`},
		{"columns", columns("a b"), "cannot be read from"},
		{"columns", columns("a/../b"), "has no name before"},
		{"columns", columns("../../../x"), "goes up beyond the root"},
		{"columns", columns("../item/x"), "leads down again on the way to the records"},
		{"columns", columns("../x[2]"), "cannot count elements above the records"},
		{"explode", "@a", "explode: must lead to elements in the record"},
		{"explode", "../a", "explode: must lead to elements in the record"},
		{"explode", "a[", "explode: is"},
		{"encoding", "utf9", `encoding: "utf9" is not known`},
		{"doctype", "fetch", "doctype: is"},
		{"batch_rows", int64(0), "batch_rows: must be 1 or more"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			_, err := Type().New(settings(tt.setting, tt.value), connectors.Env{Dir: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}

// read reads all rows and returns each as text, and the rejects.
func read(t testing.TB, content string, settings map[string]any) (rows []string, rejects []connectors.Reject) {
	t.Helper()
	src := newSource(t, write(t, map[string]string{"x.xml": content}), settings)
	return readSource(t, src)
}

func readSource(t testing.TB, src connectors.Source) (rows []string, rejects []connectors.Reject) {
	t.Helper()
	reader, err := src.Open(t.Context(), connectors.ReadRequest{BatchRows: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for {
		b, err := reader.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return rows, rejects
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(b.Rows.NumRows()) {
			var cells []string
			for c, column := range b.Rows.Columns() {
				value := b.Rows.ColumnName(c) + "=" + column.ValueStr(i)
				if b.KindOf(c, i) == connectors.AbsentCell {
					value = b.Rows.ColumnName(c) + " absent"
				}
				cells = append(cells, value)
			}
			rows = append(rows, strings.Join(cells, ", "))
		}
		rejects = append(rejects, b.Rejects...)
	}
}

// Paths lead where they say, over every kind of step.
func TestColumns(t *testing.T) {
	const document = `<?xml version="1.0"?><!DOCTYPE c SYSTEM "c.dtd">
<c v="2" xmlns:g="urn:g"><h><l k="a">de</l><l k="b">fr</l></h><n>1</n><items mode="new">
<item id="1" g:id="2"><g:name>nut</g:name><name>bolt</name>
 <p t="net"><a>1</a></p><p t="gross"><a>2</a></p><p t="net" q="5"><a>3</a></p>
 <f><k><n>Weight</n></k><v>0.5</v></f><f><k><n> Colour </n></k><v>red</v></f><e/><mixed>a<b>c</b>d</mixed><only> <b>x</b> <b>y</b> </only></item></items></c>`
	for _, tt := range []struct{ path, want string }{
		{"@id", "1"},
		{"g:name", "nut"},
		{"name", `["nut","bolt"]`},
		{"@g:id", "2"},
		{"p[@t='net']/a", `["1","3"]`},
		{"p[@t='net'][2]/a", "3"},
		{"p[2][@t='net']/a", "absent"},
		{"p[3]/@q", "5"},
		{"p[@t='net'][@q='5']/a", "3"},
		{"*/a", `["1","2","3"]`},
		{`f[k/n="Weight"]/v`, "0.5"},
		{`f[k/n="Colour"]/v`, "red"},
		{"e", "(null)"},
		{"mixed", "acd"},
		{"only", "x y"},
		{"../../h/l", `["de","fr"]`},
		{"../../h/l[@k='b']", "fr"},
		{"../../h/l/@k", `["a","b"]`},
		{"../../n", "1"},
		{"../../@v", "2"},
		{"../@mode", "new"},
		{"../nothing", "absent"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			rows, _ := read(t, document, settings("record", "/c/items/item", "doctype", "ignore",
				"columns", map[string]any{"x": tt.path, "z": "@id"}, "namespaces", map[string]any{"g": "urn:g"}))
			want := "x=" + tt.want + ", z=1"
			if tt.want == "absent" {
				want = "z=1" // what no record has is no column
			}
			if len(rows) != 1 || rows[0] != want {
				t.Errorf("got %q, want %q", rows, want)
			}
		})
	}
}

// Without columns all values are columns, those of named namespaces with their
// prefix.
func TestColumnsThatAreFound(t *testing.T) {
	const document = `<c xmlns:g="urn:g" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><p xsi:type="x" g:a="1"><g:n>2</g:n><n>3</n></p></c>`
	for name, tt := range map[string]struct {
		namespaces map[string]any
		want       string
	}{
		"named":   {map[string]any{"g": "urn:g"}, "@g:a=1, g:n=2, n=3"},
		"unnamed": {nil, `@a=1, n=["2","3"]`},
	} {
		rows, _ := read(t, document, settings("record", "/c/p", "namespaces", tt.namespaces))
		if got := strings.Join(rows, "; "); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	rows, _ := read(t, "<c><p>1</p><p/><p><a>2</a></p></c>", settings("record", "/c/*"))
	if got, want := strings.Join(rows, "; "), ".=1, a absent; .=(null), a absent; . absent, a=2"; got != want {
		t.Errorf("of records that are values: got %q, want %q", got, want)
	}
}

func TestExplode(t *testing.T) {
	const document = `<c><p id="1"><ps><d>x</d><pr t="n"><a>1</a></pr><pr t="g"><a>2</a></pr></ps><ps><d>y</d><pr t="n"><a>3</a></pr></ps></p>` +
		`<p id="2"><ps><d>z</d></ps></p></c>`
	for _, tt := range []struct {
		name     string
		settings map[string]any
		want     string
	}{
		{
			"all columns", settings("explode", "ps/pr"),
			"@id=1, ps/d=x, ps/pr/@t=n, ps/pr/a=1; @id=1, ps/d=x, ps/pr/@t=g, ps/pr/a=2; @id=1, ps/d=y, ps/pr/@t=n, ps/pr/a=3",
		},
		{
			"empty ones too", settings("explode", "ps/pr", "explode_empty", "row", "columns", map[string]any{"id": "@id", "a": "ps/pr/a"}),
			"a=1, id=1; a=2, id=1; a=3, id=1; a absent, id=2",
		},
		{
			"of some", settings("explode", "ps/pr[@t='n']", "columns", map[string]any{"id": "@id", "a": "ps/pr/a", "d": "ps/d", "t": "ps/pr[@t='g']/a"}),
			"a=1, d=x, id=1; a=3, d=y, id=1",
		},
		{
			"one level", settings("explode", "ps", "columns", map[string]any{"a": "ps/pr/a", "d": "ps/d"}),
			`a=["1","2"], d=x; a=3, d=y; a absent, d=z`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.settings["record"] = "/c/p"
			rows, _ := read(t, document, tt.settings)
			if got := strings.Join(rows, "; "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRejects(t *testing.T) {
	bad := "<?xml version='1.0' encoding='gbk'?><c>\n<p><a>1</a><b>x\xff\xff</b></p>\n<p><a>2</a></p></c>"
	rows, rejects := read(t, bad, settings("record", "/c/p"))
	if len(rows) != 1 || len(rejects) != 1 || rejects[0].Rule != "encoding" || rejects[0].Row != 2 || rejects[0].Column != 1 || rejects[0].Cells[0] != "1" {
		t.Errorf("of text that is not of its encoding: rows %q, rejects %+v", rows, rejects)
	}
	long := "<c>\n<p>" + strings.Repeat("<a/>", 100) + "</p>\n<p><a>1</a></p><p><a>" + strings.Repeat("x", 101) + "</a></p></c>"
	src := newSource(t, write(t, map[string]string{"x.xml": long}), settings("record", "/c/p"))
	src.(*source).limits = limits{token: 1000, record: 1000, elements: 100, cell: 100}
	rows, rejects = readSource(t, src)
	if len(rows) != 1 || len(rejects) != 2 || rejects[0].Rule != "too_long" || rejects[1].Rule != "too_long" || rejects[1].Column != 0 {
		t.Errorf("of what is too long: rows %q, %d rejects", rows, len(rejects))
	}
}

func TestTextsAndTagsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, content := range []string{
		"<c><p>" + long + "</p></c>", `<c><p a="` + long + `"/></c>`, "<c><!--" + long + "--><p>1</p></c>", "<c><" + long + "/></c>",
	} {
		src := newSource(t, write(t, map[string]string{"x.xml": content}), settings("record", "/c/p"))
		src.(*source).limits.token = 4096
		if _, err := src.Open(t.Context(), connectors.ReadRequest{}); err == nil || !strings.Contains(err.Error(), "x.xml:1: a text or a tag is longer than") {
			t.Errorf("%.20s: error is %v", content, err)
		}
	}
}

// A document that is cut anywhere is refused before its first row.
func TestDocumentsThatAreCutOffAreNeverReadShort(t *testing.T) {
	whole := twoDocuments()["b.xml"]
	for i := 1; i < len(whole); i++ {
		src := newSource(t, write(t, map[string]string{"x.xml": whole[:i]}), settings())
		if _, err := src.Open(t.Context(), connectors.ReadRequest{}); err == nil {
			t.Fatalf("cut at %d the document is read", i)
		}
	}
}

func FuzzXML(f *testing.F) {
	for _, content := range twoDocuments() {
		f.Add([]byte(content), "/catalog/items/item", "price[@type='net']", "tag")
	}
	f.Add([]byte("<?xml version='1.0' encoding='utf-16'?><a><b c='d'/></a>"), "/a/*", "../@x", "")
	f.Fuzz(func(t *testing.T, content []byte, record, path, explode string) {
		if len(content) > 10_000 { // executions that take long are taken for hanging
			return
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.xml"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, columns := range []map[string]any{nil, {"a": path}} {
			s := settings("record", record, "explode", explode, "doctype", "ignore")
			if columns != nil {
				s["columns"] = columns
			}
			src, err := Type().New(s, connectors.Env{Dir: dir})
			if err != nil {
				continue
			}
			reader, err := src.Open(t.Context(), connectors.ReadRequest{BatchRows: 10})
			if err != nil {
				continue
			}
			for range 100 {
				if _, err := reader.Next(t.Context()); err != nil {
					break
				}
			}
			if err := reader.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestRealCatalogues reads BMEcat catalogues of a manufacturer and others,
// which lie beside the project.
func TestRealCatalogues(t *testing.T) {
	const folder = "../../../shared/data/bmecat"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the real catalogues are not there: ", err)
	}
	for _, tt := range []struct {
		name     string
		settings map[string]any
		want     []string
	}{
		{
			"BMEcat 2005",
			map[string]any{"path": "WEI_BMECat_1*.xml", "record": "/BMECAT/T_NEW_CATALOG/PRODUCT", "columns": map[string]any{
				"gtin": "PRODUCT_DETAILS/EAN", "languages": "../../HEADER/CATALOG/LANGUAGE", "sku": "SUPPLIER_PID",
				"name.de": "PRODUCT_DETAILS/DESCRIPTION_SHORT[@lang='deu']", "name.en": "PRODUCT_DETAILS/DESCRIPTION_SHORT[@lang='eng']",
				"weight": "PRODUCT_FEATURES/FEATURE[FTEMPLATE/FT_NAME='Nettogewicht']/FVALUE",
			}},
			[]string{
				`gtin=4008190099633, languages=["deu","eng"], name.de=Durchgangs-Reihenklemme, name.en=Feed-through terminal block, sku=1020000000, weight=0.00751`,
				`gtin=4050118102697, languages=["deu","eng"], name.de=Sicherheitsrelais, name.en=Safety relay, sku=1303890000, weight=0.177`,
				`gtin=4050118158540, languages=["deu","eng"], name.de=Überspannungsableiter (Energietechnik/Stromversorgung), name.en=Surge voltage arrester  (power suply systems), sku=1351590000, weight=0.363`,
				`gtin=4008190397111, languages=["deu","eng"], name.de=Klemmenmarkierung, name.en=Terminal marking, sku=1609801044, weight=0.00013`,
			},
		},
		{
			"features",
			map[string]any{
				"path": "bmecat12_new_catalog.xml", "record": "/BMECAT/T_NEW_CATALOG/ARTICLE", "doctype": "ignore",
				"columns": map[string]any{"sku": "SUPPLIER_AID", "name": "ARTICLE_DETAILS/DESCRIPTION_SHORT", "keywords": "ARTICLE_DETAILS/KEYWORD", "volts": "ARTICLE_FEATURES/FEATURE[FNAME='Netzspannung']/FVALUE", "supplier": "../../HEADER/SUPPLIER/SUPPLIER_NAME"},
			},
			[]string{`keywords=["Notebook","Hardware"], name=Apple MacBook Pro 13", sku=1000, supplier=SupplyCo Ltd., volts=["110","220"]`},
		},
		{
			"a price update, price by price",
			map[string]any{
				"path": "bmecat12_update_prices.xml", "record": "/BMECAT/T_UPDATE_PRICES/ARTICLE", "doctype": "ignore", "explode": "ARTICLE_PRICE_DETAILS/ARTICLE_PRICE",
				"columns": map[string]any{
					"sku": "SUPPLIER_AID", "from": "ARTICLE_PRICE_DETAILS/DATETIME[@type='valid_start_date']/DATE", "version": "../@prev_version",
					"amount": "ARTICLE_PRICE_DETAILS/ARTICLE_PRICE/PRICE_AMOUNT", "quantity": "ARTICLE_PRICE_DETAILS/ARTICLE_PRICE/LOWER_BOUND",
				},
			},
			[]string{
				"amount=1499.5, from=2001-01-01, quantity=1, sku=1000, version=42",
				"amount=1300.9, from=2001-01-01, quantity=100, sku=1000, version=42",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, rejects := readSource(t, newSource(t, folder, tt.settings))
			if got, want := strings.Join(rows, "\n"), strings.Join(tt.want, "\n"); got != want || len(rejects) > 0 {
				t.Errorf("got\n%s\nwant\n%s\n%v", got, want, rejects)
			}
		})
	}
	src := newSource(t, folder, map[string]any{"path": "bmecat2005_new_catalog.xml", "record": "/BMECAT/T_NEW_CATALOG/PRODUCT"})
	if _, err := src.Open(t.Context(), connectors.ReadRequest{}); err == nil || !strings.Contains(err.Error(), "bmecat2005_new_catalog.xml:2: the file declares a document type: refused") {
		t.Errorf("a document type is not refused: %v", err)
	}
}
