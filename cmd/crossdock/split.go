package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"crossdock/commerce"
	"crossdock/commerce/accounts"
	"crossdock/commerce/catalog"
	"crossdock/commerce/inventory"
	"crossdock/commerce/pricing"
	"crossdock/hub"
	"crossdock/internal/web"
	"crossdock/schemas"
)

const serveHelp = `Serve everything in one process, or the parts that are named.

  crossdock serve                      all services and the hub on one port
  crossdock serve catalog              the catalogue alone
  crossdock serve pricing inventory    two services in one process
  crossdock serve hub                  uploads and runs; it calls the services
  crossdock serve gateway              the one address for clients before all parts

The parts are catalog, pricing, inventory, accounts, hub and gateway. Those in
other processes are found by CROSSDOCK_CATALOG_URL and the like, and let in by
CROSSDOCK_INTERNAL_TOKEN; see docs/services.md.`

// A farService is a service in another process.
type farService interface {
	hub.Target
	commerce.Feed
}

// dialers is the table of the services in other processes.
func dialers() map[string]func(commerce.Peer) farService {
	return map[string]func(commerce.Peer) farService{
		"catalog":   func(p commerce.Peer) farService { return catalog.Dial(p) },
		"pricing":   func(p commerce.Peer) farService { return pricing.Dial(p) },
		"inventory": func(p commerce.Peer) farService { return inventory.Dial(p) },
		"accounts":  func(p commerce.Peer) farService { return accounts.Dial(p) },
	}
}

// dial returns the client of a service in another process.
func (a *app) dial(name string) farService {
	return dialers()[name](commerce.Peer{URL: a.settings.Split.Services[name], Token: a.settings.Split.InternalToken, Log: a.log})
}

const gatewayPart = "gateway"

// partNames returns all that can be served, in the order of help.
func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return append(names, "hub", gatewayPart)
}

// A split says which parts a process serves, and where the others are.
type split struct {
	Services      map[string]string `yaml:"services"`       // addresses by name
	InternalToken string            `yaml:"internal_token"` // which every process of the installation has
	GatewayToken  string            `yaml:"gateway_token"`  // which clients send; "" lets everyone in
	DrainDelay    time.Duration     `yaml:"drain_delay"`

	taken map[string]bool // nil: all that are not elsewhere
}

// here reports whether the part runs in this process.
func (s *split) here(name string) bool {
	if s.taken != nil {
		return s.taken[name]
	}
	return s.Services[name] == "" || name == "hub" // commands bring their own
}

const (
	minTokenBytes = 32
	maxDrainDelay = 10 * time.Second
)

// locate adds what the environment says to what the file does, and checks it.
func (s *split) locate(getenv func(string) string, environ []string) (split, error) {
	found := split{
		Services:      map[string]string{},
		InternalToken: cmp.Or(getenv("CROSSDOCK_INTERNAL_TOKEN"), s.InternalToken),
		GatewayToken:  cmp.Or(getenv("CROSSDOCK_GATEWAY_TOKEN"), s.GatewayToken), DrainDelay: s.DrainDelay,
	}
	places := partNames()
	places = places[:len(places)-1] // nobody calls the gateway
	for _, name := range slices.Sorted(maps.Keys(s.Services)) {
		if !slices.Contains(places, name) {
			return found, usagef("%s: services.%s: there is no such part%s (there are %s)", settingsFile, name, schemas.DidYouMean(name, places), strings.Join(places, ", "))
		}
	}
	for _, name := range places {
		variable := addressOf(name)
		address, from := getenv(variable), variable
		if address == "" {
			address, from = s.Services[name], settingsFile+": services."+name
		}
		if address == "" {
			continue
		}
		if err := checkAddress(address); err != nil {
			return found, usagef("%s: %s", from, err)
		}
		found.Services[name] = address
	}
	for _, entry := range environ {
		variable, _, _ := strings.Cut(entry, "=")
		name, ok := strings.CutPrefix(strings.TrimSuffix(variable, "_URL"), "CROSSDOCK_")
		if name = strings.ToLower(name); ok && strings.HasSuffix(variable, "_URL") && !slices.Contains(places, name) {
			if meant := schemas.DidYouMean(name, places); meant != "" {
				return found, usagef("%s: there is no part %s%s", variable, name, meant)
			}
		}
	}
	if text := getenv("CROSSDOCK_DRAIN_DELAY"); text != "" {
		var err error
		if found.DrainDelay, err = time.ParseDuration(text); err != nil {
			return found, usagef("CROSSDOCK_DRAIN_DELAY: %q is no duration such as 5s", text)
		}
	}
	if found.DrainDelay < 0 || found.DrainDelay > maxDrainDelay {
		return found, usagef("CROSSDOCK_DRAIN_DELAY (drain_delay): is %s, but must be from 0s to %s", found.DrainDelay, maxDrainDelay)
	}
	return found, nil
}

func addressOf(name string) string { return "CROSSDOCK_" + strings.ToUpper(name) + "_URL" }

// checkAddress reports what is wrong with the address of a part. It shows none
// of it, since there may be a password in it.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("is no address such as http://10.0.0.7:8081")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("has more than an address such as http://10.0.0.7:8081: processes know each other by CROSSDOCK_INTERNAL_TOKEN")
	}
	return nil
}

// take decides which parts the process serves.
func (s *split) take(names []string) error {
	if len(names) == 0 {
		for _, name := range partNames() {
			if s.Services[name] != "" {
				return usagef("serve without names serves all parts, but %s (or services.%s in %s) says that %s is elsewhere: "+
					"name the parts to serve, or take that setting away", addressOf(name), name, settingsFile, name)
			}
		}
		return nil
	}
	s.taken = map[string]bool{}
	for _, name := range names {
		switch known := partNames(); {
		case !slices.Contains(known, name):
			return usagef("serve: there is no part %s%s (there are %s)", schemas.QuoteShort(name), schemas.DidYouMean(name, known), strings.Join(known, ", "))
		case s.taken[name]:
			return usagef("serve: %s is named twice", name)
		}
		s.taken[name] = true
	}
	if s.taken[gatewayPart] && len(names) > 1 {
		return usagef("serve: the gateway runs in a process of its own")
	}
	if s.taken[gatewayPart] || s.taken["hub"] {
		for _, name := range partNames() {
			if name != gatewayPart && !s.taken[name] && s.Services[name] == "" {
				return usagef("serve %s: where is %s? Set %s, or services.%s in %s", strings.Join(names, " "), name, addressOf(name), name, settingsFile)
			}
		}
	}
	if s.taken[gatewayPart] {
		if s.GatewayToken == "" {
			return nil
		}
		return checkToken("CROSSDOCK_GATEWAY_TOKEN", s.GatewayToken) // and it may not call what the other one opens
	}
	return s.checkToken()
}

// checkToken refuses to call other processes, or to be called, without a token.
func (s *split) checkToken() error {
	if s.taken == nil && len(s.Services) == 0 {
		return nil
	}
	if s.InternalToken == "" {
		return usagef("parts in several processes need CROSSDOCK_INTERNAL_TOKEN, the same for all of them: make one with openssl rand -hex 32")
	}
	return checkToken("CROSSDOCK_INTERNAL_TOKEN", s.InternalToken)
}

// checkToken reports what is wrong with a token, and shows none of it.
func checkToken(variable, token string) error {
	if n := len(token); n < minTokenBytes {
		return usagef("%s has %d characters, and needs at least %d: make one with openssl rand -hex 32", variable, n, minTokenBytes)
	}
	if strings.Trim(token, tokenLetters) != "" {
		return usagef("%s has characters that a header cannot carry: make one with openssl rand -hex 32", variable)
	}
	return nil
}

// tokenLetters are those of a token as RFC 6750 has them.
const tokenLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

// what names the parts that the process serves.
func (s *split) what() string {
	if s.taken == nil {
		return "all"
	}
	return strings.Join(slices.DeleteFunc(partNames(), func(name string) bool { return !s.taken[name] }), ", ")
}

// mountInternal adds what the hub calls of the services, where it may be in
// another process.
func (a *app) mountInternal(mux *http.ServeMux, s *system) {
	if a.settings.Split.taken == nil {
		return
	}
	internal := http.NewServeMux()
	for _, one := range s.services {
		one.Internal(internal)
	}
	mux.Handle("/internal/", web.Guard(a.settings.Split.InternalToken, internal))
}

// ready reports why the process should get no requests. That another process is
// away is no reason: what needs it says so, and all else works.
func (s *system) ready(ctx context.Context) error {
	select {
	case <-s.stopping:
		return errors.New("it is stopping")
	default:
	}
	var errs []error
	for _, one := range s.services {
		errs = append(errs, one.Ping(ctx))
	}
	if s.hub != nil {
		errs = append(errs, s.hub.Journal().Ping(ctx))
	}
	return errors.Join(errs...)
}

// stopLimit bounds how long a process takes to stop: what keeps it waits for
// nobody any longer, and is as if it were killed.
const stopLimit = 28 * time.Second

// within returns when run does, and at the latest a while after ctx has ended.
func within(ctx context.Context, limit time.Duration, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }() // ends with run, or with the process
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("did not stop within %s and was ended as it was: what was acknowledged is safe, and the next start goes on from there", limit)
	}
}
