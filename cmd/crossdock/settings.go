package main

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// settingsFile is read from the working folder where it is present.
const settingsFile = "crossdock.yaml"

// settings are flags over CROSSDOCK_* over crossdock.yaml over defaults.
type settings struct {
	Data      string `yaml:"data"`
	Listen    string `yaml:"listen"`
	Pipelines string `yaml:"pipelines"`

	Observing observing `yaml:",inline"`

	EventDays int `yaml:"event_days"` // for which events can be read

	// Database is the URL of PostgreSQL. There is no flag for it, because every
	// user of a machine can read the flags of all processes, and it has a password.
	Database string `yaml:"database_url"`

	// AMQP is the URL of a RabbitMQ, for which the same holds, and AMQPQueues
	// says which queues to make there: classic ones, or quorum.
	AMQP       string `yaml:"amqp_url"`
	AMQPQueues string `yaml:"amqp_queues"`

	Split split `yaml:",inline"`
}

func (a *app) loadSettings(cmd *cobra.Command) error {
	var file settings
	text, err := os.ReadFile(settingsFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&file); err != nil && !errors.Is(err, io.EOF) { // an empty file sets nothing
			return usagef("%s: %s", settingsFile, yaml.FormatError(err, false, false))
		}
	}
	flag := func(name string) string {
		if f := cmd.Flags().Lookup(name); f != nil {
			return f.Value.String()
		}
		return ""
	}
	a.settings = settings{
		Data:       cmp.Or(flag("data"), os.Getenv("CROSSDOCK_DATA"), file.Data, "data"),
		Listen:     cmp.Or(flag("listen"), os.Getenv("CROSSDOCK_LISTEN"), file.Listen, "127.0.0.1:8080"),
		Pipelines:  cmp.Or(flag("pipelines"), os.Getenv("CROSSDOCK_PIPELINES"), file.Pipelines),
		Database:   cmp.Or(os.Getenv("CROSSDOCK_DATABASE_URL"), file.Database),
		AMQP:       cmp.Or(os.Getenv("CROSSDOCK_AMQP_URL"), file.AMQP),
		AMQPQueues: cmp.Or(os.Getenv("CROSSDOCK_AMQP_QUEUES"), file.AMQPQueues),
	}
	a.settings.Observing = observing{
		LogFormat:   cmp.Or(flag("log-format"), os.Getenv("CROSSDOCK_LOG_FORMAT"), file.Observing.LogFormat, "text"),
		LogLevel:    cmp.Or(flag("log-level"), os.Getenv("CROSSDOCK_LOG_LEVEL"), file.Observing.LogLevel, "info"),
		Debug:       cmp.Or(os.Getenv("CROSSDOCK_DEBUG_LISTEN"), file.Observing.Debug),
		DebugRemote: cmp.Or(os.Getenv("CROSSDOCK_DEBUG_REMOTE"), file.Observing.DebugRemote),
	}
	if err := a.settings.Observing.check(); err != nil {
		return err
	}
	a.log = a.logger()
	if a.settings.EventDays, err = eventDays(os.Getenv("CROSSDOCK_EVENT_DAYS"), file.EventDays); err != nil {
		return err
	}
	if a.settings.Split, err = file.Split.locate(os.Getenv, os.Environ()); err != nil {
		return err
	}
	// Names of files in the data folder are kept, and must hold wherever the next
	// command is typed.
	a.settings.Data, err = filepath.Abs(a.settings.Data)
	return err
}

const defaultEventDays, maxEventDays = 7, 3650

// eventDays returns for how many days events are kept.
func eventDays(variable string, file int) (int, error) {
	name, days := settingsFile+": event_days", file
	if variable != "" {
		var err error
		name = "CROSSDOCK_EVENT_DAYS"
		if days, err = strconv.Atoi(variable); err != nil {
			return 0, usagef("%s: %q is no number of days", name, variable)
		}
	} else if file == 0 {
		return defaultEventDays, nil
	}
	if days < 1 || days > maxEventDays {
		return 0, usagef("%s: is %d, but must be from 1 to %d days", name, days, maxEventDays)
	}
	return days, nil
}
