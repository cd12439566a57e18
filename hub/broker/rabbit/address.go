package rabbit

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/hub/broker"
)

// An address is where a RabbitMQ is, and who we are there.
type address struct {
	url   string // with the password, never shown
	shown string
}

// parseAddress reads the URL of a RabbitMQ. What the parser says of a faulty
// one is not passed on, because it may quote a part of the password.
func parseAddress(text string) (address, error) {
	uri, err := amqp.ParseURI(text)
	if err != nil || !strings.HasPrefix(text, "amqp://") && !strings.HasPrefix(text, "amqps://") {
		return address{}, errors.New("the URL of RabbitMQ is none of the form amqp://user:password@host:5672/vhost, or amqps:// with TLS: " +
			"correct it, and write special characters of the password percent-encoded, such as %2F for a slash")
	}
	shown := url.URL{
		Scheme: uri.Scheme, User: url.User(uri.Username), Host: net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)), Path: "/" + strings.TrimPrefix(uri.Vhost, "/"),
	}
	return address{url: text, shown: shown.String()}, nil
}

// unavailable says that this RabbitMQ cannot be used now, and why.
func (a address) unavailable(err error) error {
	if errors.Is(err, broker.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: RabbitMQ at %s: %w", broker.ErrUnavailable, a.shown, explain(err))
}

// explain says what to do about answers of RabbitMQ that it words obscurely.
func explain(err error) error {
	e, ok := errors.AsType[*amqp.Error](err)
	switch {
	case !ok:
		return err
	case errors.Is(err, amqp.ErrCredentials) || e.Code == amqp.AccessRefused && strings.Contains(e.Reason, "Login"):
		return errors.New("it ended the log-in: see whether user and password of its URL are right")
	case errors.Is(err, amqp.ErrVhost) || e.Code == amqp.NotAllowed && strings.Contains(e.Reason, "vhost"):
		return errors.New("it has no such vhost as its URL names, or the user may not use it: rabbitmqctl add_vhost and set_permissions")
	case e.Code == amqp.AccessRefused:
		return fmt.Errorf("the user lacks a permission: %s: see rabbitmqctl set_permissions", e.Reason)
	case e.Code == amqp.PreconditionFailed:
		return fmt.Errorf("%s: it is there with other properties: drain and delete it", e.Reason)
	}
	return errors.New(e.Reason)
}
