package excel

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"crossdock/connectors"
)

// tokens writes down what the scanner makes of a document.
func tokens(r io.Reader) (string, error) {
	s := newScanner(r, 0)
	var b strings.Builder
	for {
		t, err := s.next()
		if err != nil {
			return b.String(), err
		}
		switch t {
		case startTag:
			fmt.Fprintf(&b, "<%s", s.name)
			for {
				ok, err := s.attrs.next()
				if err != nil {
					return b.String(), err
				}
				if !ok {
					break
				}
				value, err := unescape(nil, s.attrs.value)
				if err != nil {
					return b.String(), err
				}
				fmt.Fprintf(&b, " %s=[%s]", s.attrs.name, value)
			}
			b.WriteString(">")
		case endTag:
			fmt.Fprintf(&b, "</%s>", s.name)
		case text:
			value, err := s.appendText(nil)
			if err != nil {
				return b.String(), err
			}
			b.Write(value)
		case endOfMarkup:
			return b.String(), nil
		}
	}
}

func TestTheScannerTakesXMLApart(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"elements", `<a><b>text</b><c/></a>`, `<a><b>text</b><c></c></a>`},
		{"prologue", "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<!-- a > b --> <a/>\n", `<a></a>`},
		{"encoding in upper case", `<?xml version='1.0' encoding='UTF-8'?><a/>`, `<a></a>`},
		{"prefixes are left out", `<x:a xmlns:x="u"><x:b x:c="d"/></x:a>`, `<a x=[u]><b c=[d]></b></a>`},
		{"attributes", "<a r=\"C17\"\n s = '1' long='it is \"so\"' o=\"O'Brien\" e=\"\"/>", `<a r=[C17] s=[1] long=[it is "so"] o=[O'Brien] e=[]></a>`},
		{"an attribute holds >", `<a r="x > y" q='>' p=">'"><b/></a>`, `<a r=[x > y] q=[>] p=[>']><b></b></a>`},
		{"blanks in tags", "<a ><b\t/></a\n>", `<a><b></b></a>`},
		{"references", `<a b="&lt;&#65;&quot;">&lt;b&gt; &amp;amp; &apos;&#x20AC;&#8364;</a>`, `<a b=[<A"]><b> &amp; '€€</a>`},
		{"line ends", "<a>1\r\n2\r3\n4\r</a>", "<a>1\n2\n3\n4\n</a>"},
		{"sections", `<a>x<![CDATA[<b>&amp;]]]>y</a>`, `<a>x<b>&amp;]y</a>`},
		{"comments and instructions inside", `<a>1<!-- <b> -->2<?x y?>3</a>`, `<a>123</a>`},
		{"text is kept", "<a> \n<b> x </b></a>", "<a> \n<b> x </b></a>"},
	} {
		for form, r := range map[string]io.Reader{
			"whole": strings.NewReader(tt.in), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
			"with its end": iotest.DataErrReader(strings.NewReader(tt.in)),
		} {
			got, err := tokens(r)
			if err != nil || got != tt.want {
				t.Errorf("%s, %s: got %q, %v; want %q", tt.name, form, got, err, tt.want)
			}
		}
	}
}

func TestTheScannerRefusesWhatIsNotXML(t *testing.T) {
	deep := strings.Repeat("<a>", maxDepth+1)
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", "cut off"},
		{"blanks only", "  \n", "cut off"},
		{"text only", "hello", "outside of its root"},
		{"text behind the root", "<a/>x", "outside of its root"},
		{"a second root", "<a/><b/>", "malformed at <b"},
		{"an open element", "<a><b></b>", "cut off"},
		{"an open tag", "<a><b", "cut off"},
		{"an open value", `<a b="c></a>`, "cut off"},
		{"an open end tag", "<a></a", "cut off"},
		{"an open comment", "<a><!-- ", "cut off"},
		{"an open instruction", "<a><?x", "cut off"},
		{"an open section", "<a><![CDATA[x", "cut off"},
		{"a lone <", "<", "cut off"},
		{"the wrong end tag", "<a><b></a></b>", "malformed at </a>"},
		{"an end tag too many", "<a/></a>", "malformed at </a>"},
		{"an end tag alone", "</a>", "malformed at </a>"},
		{"a tag without a name", "< a/>", "malformed at <"},
		{"an attribute without a value", "<a b/>", "attribute without a value at b"},
		{"an attribute without quotes", "<a b=c/>", "attribute without quotes at b"},
		{"a document type", `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "document type or entities"},
		{"an entity inside", `<a><!ENTITY b "c"></a>`, "document type or entities"},
		{"a section outside", `<![CDATA[x]]><a/>`, "document type or entities"},
		{"an unknown entity", "<a>&b;</a>", "refers to &b;"},
		{"an unknown entity in a value", `<a b="&c;"/>`, "refers to &c;"},
		{"a lone &", "<a>A & B</a>", "lone & at & B"},
		{"no such character", "<a>&#0;</a>", "refers to &#0;"},
		{"half a character", "<a>&#xD800;</a>", "refers to &#xD800;"},
		{"a character too large", "<a>&#x110000;</a>", "refers to &#x110000;"},
		{"no number", "<a>&#x;</a>", "refers to &#x;"},
		{"Latin 1", "<a>M\xfcller</a>", `not UTF-8 at Mller`},
		{"declared Latin 1", `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "not written in UTF-8"},
		{"UTF-16", "\xFF\xFE<\x00a\x00/\x00>\x00", "not UTF-8"},
		{"a NUL", "<a>x\x00</a>", "NUL character"},
		{"too deep", deep, "nested more than 100 deep"},
		{"a long text", "<a>" + strings.Repeat("x", 3<<20) + "</a>", "text of more than 1024 KiB"},
		{"a long tag", "<a b=\"" + strings.Repeat("x", 2<<20) + "\"/>", "tag of more than 64 KiB"},
		{"a long tag of many >", "<a b=\"" + strings.Repeat(">", 2<<20) + "\"/>", "tag of more than 64 KiB"},
		{"a long end tag", "<a></" + strings.Repeat("x", 2<<20) + ">", "part of more than 64 KiB"},
		{"a long comment", "<a><!--" + strings.Repeat("x", 3<<20) + "--></a>", "more than"},
		{"a long instruction", "<?" + strings.Repeat("x", 2<<20) + "?><a/>", "part of more than 64 KiB"},
	} {
		_, err := tokens(strings.NewReader(tt.in))
		if e, ok := errors.AsType[*connectors.Error](err); !ok || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%s: error %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

func TestTheScannerPassesOnErrorsOfReading(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, in := range []string{"", "<a>", "<a", "<a>text", "<a><!--", "</a"} {
		_, err := tokens(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("after %q: error %v, want %v", in, err, broken)
		}
	}
}

func TestTheWindowSlidesOverLongDocuments(t *testing.T) {
	var in, want strings.Builder
	in.WriteString("<a>")
	want.WriteString("<a>")
	for i := range 100_000 {
		fmt.Fprintf(&in, `<b c="%d">text &amp; %d</b>`, i, i)
		fmt.Fprintf(&want, `<b c=[%d]>text & %d</b>`, i, i)
	}
	long := strings.Repeat("long text ", 90_000)
	in.WriteString(long + "</a>")
	want.WriteString(long + "</a>")
	got, err := tokens(strings.NewReader(in.String()))
	if err != nil || got != want.String() {
		t.Fatalf("a document of %d bytes came out otherwise: %v", in.Len(), err)
	}
}

func TestEscapesOfXstrings(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain", "plain"},
		{"a_x000D_b", "a\rb"},
		{"_x005F_x000D_", "_x000D_"},
		{"_x20AC__x20ac_", "€€"},
		{"_x0000_", "_x0000_"},
		{"_xD83D_", "_xD83D_"},
		{"_xZZZZ_", "_xZZZZ_"},
		{"_x12", "_x12"},
		{"_x000D", "_x000D"},
		{"_x_x000A_", "_x\n"},
		{"MAX_x1", "MAX_x1"},
	} {
		if got := appendXstring(nil, []byte(tt.in)); string(got) != tt.want {
			t.Errorf("appendXstring(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
