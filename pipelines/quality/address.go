package quality

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"crossdock/schemas"
)

func buildURL(c *compiler, _ *spec, r *rule) { tests(c, r, stateless(urlFault)) }

func buildEmail(c *compiler, _ *spec, r *rule) { tests(c, r, stateless(emailFault)) }

// urlFault says why a text is no absolute http or https address (RFC 3986)
// that anyone can use: it has a host, and no name and password, which would be
// shown to every buyer.
func urlFault(text string) string {
	if isPlainURL(text) {
		return ""
	}
	return anyURLFault(text)
}

func anyURLFault(text string) string {
	for _, c := range text {
		switch {
		case unicode.IsSpace(c):
			return "holds a blank, which is written %20"
		case unicode.IsControl(c):
			return "holds a character that cannot be seen"
		case c == '\\':
			return "holds a backslash: it is a path on a machine and no address"
		}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "is not an address: " + parseReason(err)
	case u.Scheme == "" || u.Host == "" && u.Opaque != "" && strings.Contains(u.Scheme, "."):
		return "does not begin with https:// or http://"
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("begins with %s:, but must begin with https:// or http://", u.Scheme)
	case u.User != nil:
		return "holds a user name, which everyone would see"
	case u.Hostname() == "":
		return "has no host"
	}
	return hostFault(u)
}

func hostFault(u *url.URL) string {
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "has the port " + port + ", there are 1 to 65535"
		}
	}
	host := strings.TrimSuffix(u.Hostname(), ".") // a point at the end only says that the name is whole
	if strings.HasPrefix(u.Host, "[") {
		return "" // an IPv6 address, which url.Parse has looked at
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.ContainsAny(label, `%,;:!"'()*+&=$<>{}|^`+"`") {
			return "has no host that can be, " + schemas.QuoteShort(u.Host)
		}
	}
	return ""
}

func parseReason(err error) string {
	if e, ok := err.(*url.Error); ok { //nolint:errorlint // url.Parse returns it bare
		err = e.Err
	}
	return err.Error()
}

// isPlainURL recognises the addresses that most are without the cost of
// url.Parse. What it refuses may still be an address.
func isPlainURL(text string) bool {
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(text, "http://"); !ok {
			return false
		}
	}
	i, label := 0, 0
	for ; i < len(rest) && rest[i] != '/'; i++ {
		switch c := rest[i]; {
		case isAlphanumeric(c) || c == '-':
			label++
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
	}
	if label == 0 {
		return false
	}
	for ; i < len(rest); i++ {
		if c := rest[i]; !isAlphanumeric(c) && strings.IndexByte("-._~/?=&+,;:@!*()'$#", c) < 0 {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z'
}

// Bounds of an email address and its parts (RFC 5321, section 4.5.3.1, and the
// erratum to it that makes 254 of 256).
const (
	maxEmailBytes = 254
	maxLocalBytes = 64
	maxLabelBytes = 63
)

// emailFault says why mail could not be sent to an address: it is a dot-atom,
// an @ and a domain of at least two labels (RFC 5322, section 3.4.1), letters
// of any script included (RFC 6531). Quoted names and addresses of machines,
// which the standard knows, are mistakes wherever they turn up in business data.
func emailFault(text string) string {
	if isPlainEmail(text) {
		return ""
	}
	return anyEmailFault(text)
}

func anyEmailFault(text string) string {
	if strings.ContainsAny(text, "<>") {
		return "must be the address alone, without a name beside it"
	}
	if strings.ContainsAny(text, ",;") {
		return "holds more than one address"
	}
	for _, c := range text {
		if unicode.IsSpace(c) {
			return "holds a blank"
		}
		if unicode.IsControl(c) || c == unicode.ReplacementChar {
			return "holds a character that cannot be seen"
		}
	}
	local, domain, found := strings.Cut(text, "@")
	switch {
	case !found:
		return "has no @"
	case strings.Contains(domain, "@"):
		return "has more than one @"
	case local == "":
		return "has nothing before the @"
	case domain == "":
		return "has nothing after the @"
	case len(text) > maxEmailBytes || len(local) > maxLocalBytes:
		return fmt.Sprintf("is too long: %d bytes are allowed, %d of them before the @", maxEmailBytes, maxLocalBytes)
	case strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, ".."):
		return "has a point too many before the @"
	}
	for _, c := range local {
		if c < 0x80 && !isAlphanumeric(byte(c)) && !strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", c) {
			return fmt.Sprintf("holds %s before the @", schemas.QuoteShort(string(c)))
		}
	}
	return domainFault(domain)
}

// isPlainEmail recognises the addresses that most are: short, of ASCII letters,
// digits and single points and hyphens. What it refuses may still be one.
func isPlainEmail(text string) bool {
	at, points, last := -1, 0, byte('.')
	for i := range len(text) {
		c := text[i]
		switch {
		case c == '@' && at < 0 && last != '.':
			at = i
		case c == '.' && last != '.' && last != '@' && last != '-':
			if at >= 0 {
				points++
			}
		case c == '-' && last != '.' && last != '@' || (c == '_' || c == '+') && at < 0:
		case !isAlphanumeric(c):
			return false
		}
		last = c
	}
	// A letter at the end tells a domain from the address of a machine.
	return points > 0 && at <= maxLocalBytes && len(text)-at <= maxLabelBytes && last > '9'
}

func domainFault(domain string) string {
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return "has no point in its domain, " + schemas.QuoteShort(domain)
	}
	for _, label := range labels {
		if label == "" {
			return "has a point too many in its domain, " + schemas.QuoteShort(domain)
		}
		if len(label) > maxLabelBytes || label[0] == '-' || label[len(label)-1] == '-' {
			return "has no domain that can be, " + schemas.QuoteShort(domain)
		}
		for _, c := range label {
			if c != '-' && !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c) {
				return fmt.Sprintf("holds %s in its domain", schemas.QuoteShort(string(c)))
			}
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "ends in a number instead of a domain, " + schemas.QuoteShort(domain)
	}
	return ""
}
