package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

const healthHelp = `Asks the server that listens at --listen whether it is ready, and exits with 0 where
it is and with 1 where it is not. Images without a shell or curl check themselves by it:

  HEALTHCHECK CMD ["/crossdock", "health"]`

// errNotReady tells that a server answered, and that it is not ready.
var errNotReady = errors.New("not ready")

const healthTimeout = 5 * time.Second

func (a *app) healthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "health", Short: "Ask a server whether it is ready", Long: healthHelp,
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.health(cmd.Context()) },
	}
	cmd.Flags().String("listen", "", "address that the server was told to listen on (default 127.0.0.1:8080; CROSSDOCK_LISTEN)")
	return cmd
}

func (a *app) health(ctx context.Context) error {
	address, err := reachable(a.settings.Listen)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return usagef("--listen is %s, but must be an address such as 127.0.0.1:8080", quote(a.settings.Listen))
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		// As text, for what this error is means something else where databases are called.
		return errors.New("nothing that is Crossdock answers at " + address + ": " + err.Error())
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		var problem struct{ Detail string }
		_ = json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&problem) // the status says enough
		return fmt.Errorf("%s: %w: %s %s", address, errNotReady, answer.Status, problem.Detail)
	}
	if a.json {
		a.printJSON(map[string]string{"address": address, "status": "ready"})
		return nil
	}
	fmt.Fprintf(a.stdout, "%s is ready\n", address)
	return nil
}

// reachable returns the address at which a server is asked that listens on the
// one given: where that means all networks, this machine is one of them.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", usagef("--listen is %s, but must be an address such as 127.0.0.1:8080", quote(listen))
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}
