package hub

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"crossdock/hub/journal"
)

// A token names the parked row that a row of an export came from, and says in
// which state it was exported, so that whoever sends the export back need not
// keep order, columns or row numbers:
//
//	3k-2-1.4-u7dqv2... = row 3k, its revision, the cells in front of which an
//	                     apostrophe was put, and a code that only we can make
//
// Numbers are of base 36. A token of another installation, of a row that is
// gone, or one that was typed by hand has the wrong code.
type tokens struct{ key []byte }

const keyFile = "errors.key"

// tokens returns the tokens of this data folder. Its key is made at first use.
func (h *Hub) tokens() (*tokens, error) {
	path := filepath.Join(h.Dir, keyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if err = makeKey(h.Dir, path); err == nil {
			text, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the key of exported rows: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) < sha256.Size {
		return nil, fmt.Errorf("%s is no key of exported rows: remove it, and export them anew", path)
	}
	return &tokens{key}, nil
}

// makeKey writes a new key. Where another process is first, its key stays.
func makeKey(dir, path string) error {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key)                     // never fails
	file, err := os.CreateTemp(dir, ".key-*") // for its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(hex.EncodeToString(key) + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// of returns the token of a row, the given cells of which are exported with an
// apostrophe in front.
func (t *tokens) of(r *journal.Row, quoted []int) string {
	cells := make([]string, len(quoted))
	for i, at := range quoted {
		cells[i] = strconv.FormatInt(int64(at), 36)
	}
	body := strconv.FormatInt(r.ID, 36) + "-" + strconv.FormatInt(r.Revision, 36) + "-" + strings.Join(cells, ".")
	return body + "-" + t.code(body, r)
}

// code proves a token. Run and time of the row are in it, since the number of
// a row that was deleted may be that of another one later.
func (t *tokens) code(body string, r *journal.Row) string {
	mac := hmac.New(sha256.New, t.key)
	fmt.Fprintf(mac, "%s\x00%s\x00%d", body, r.Run, r.FirstSeen.UnixMicro())
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)[:15]))
}

// A claim is a token as it was read, and not yet proved.
type claim struct {
	row, revision int64
	quoted        []int
	body, code    string
}

// maxTokenBytes bounds a token: every cell of a wide row may have an apostrophe.
const maxTokenBytes = 64 << 10

// parseToken reads a token, and returns false for any other text.
func parseToken(text string) (claim, bool) {
	var c claim
	text = strings.TrimSpace(text)
	parts := strings.Split(text, "-")
	if len(parts) != 4 || len(text) > maxTokenBytes {
		return c, false
	}
	var err [2]error
	c.row, err[0] = strconv.ParseInt(parts[0], 36, 64)
	c.revision, err[1] = strconv.ParseInt(parts[1], 36, 64)
	if errors.Join(err[:]...) != nil {
		return c, false
	}
	for at := range strings.SplitSeq(parts[2], ".") {
		if at == "" {
			continue
		}
		n, err := strconv.ParseInt(at, 36, 32)
		if err != nil || n < 0 {
			return c, false
		}
		c.quoted = append(c.quoted, int(n))
	}
	c.body, c.code = text[:strings.LastIndexByte(text, '-')], parts[3]
	return c, true
}

// proves tells whether the token is ours and that of the row.
func (t *tokens) proves(c claim, r *journal.Row) bool {
	return hmac.Equal([]byte(t.code(c.body, r)), []byte(c.code))
}
