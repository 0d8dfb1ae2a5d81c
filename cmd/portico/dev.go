package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"portico/db"
	"portico/graph"
	"portico/internal/config"
	"portico/internal/devpg"
	"portico/internal/gateway"
	"portico/internal/secret"
	"portico/web"
)

type devCommand struct {
	Addr      string `help:"Address to listen on, instead of PORTICO_ADDR. Port 0 takes a free one."`
	DataDir   string `help:"Folder for the private Postgres, the keys and the demo's credentials. Default: .portico in the home folder." type:"path"`
	Ephemeral bool   `help:"Keep nothing: a fresh database in a temporary folder, removed at the end."`
	Demo      bool   `help:"Load demo data into a new database." default:"true" negatable:""`
	JSON      bool   `help:"Print one line of JSON instead of the screen, for scripts."`
}

// Run starts everything, prints how to reach it, and runs until the context ends.
func (d *devCommand) Run(ctx context.Context) (err error) {
	c, err := config.Load()
	if err != nil {
		return err
	}
	folder, remove, err := d.folder()
	if err != nil {
		return err
	}
	defer remove()
	log := logger(textLines, os.Stderr, max(c.LogLevel, slog.LevelWarn))
	if c, err = d.configure(c, folder); err != nil {
		return err
	}
	lost := make(<-chan struct{})
	if c.DatabaseURL == "" {
		postgres, err := devpg.Start(ctx, d.postgres(folder, log))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, postgres.Stop(context.WithoutCancel(ctx))) }()
		c.DatabaseURL, lost = secret.Text(postgres.URL()), postgres.Done()
	}
	if err := db.Migrate(ctx, string(c.DatabaseURL)); err != nil {
		return err
	}
	return d.serve(ctx, c, folder, log, lost)
}

func (d *devCommand) postgres(folder string, log *slog.Logger) devpg.Options {
	if d.Ephemeral {
		return devpg.Options{Ephemeral: true, Log: log}
	}
	return devpg.Options{Dir: filepath.Join(folder, "postgres"), Log: log}
}

func (d *devCommand) serve(ctx context.Context, c config.Config, folder string, log *slog.Logger, lost <-chan struct{}) (err error) {
	// Before the server is made, as the public address may have a port that is only known now.
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	c.PublicURL = "http://" + listener.Addr().String()
	a, err := wire(ctx, c, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer a.close()
	a.mail.Keep = a.mail.Transport == nil
	info := devInfo{
		GraphQLURL: c.PublicURL + "/graphql", PlaygroundURL: c.PublicURL + web.Playground, MailURL: c.PublicURL + devMailPath,
		Merchants: []demoMerchant{},
	}
	if d.Demo {
		if info.Merchants, err = loadDemo(ctx, a, filepath.Join(folder, "demo.json")); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	worker, err := startWorker(ctx, a, nil)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, stopWorker(ctx, a, worker)) }()
	if err := info.print(os.Stdout, d.JSON); err != nil {
		return errors.Join(err, listener.Close())
	}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-lost:
			cancel(errors.New("the private Postgres has stopped unexpectedly; see postgres.log in its folder"))
		case <-running.Done():
		}
	}()
	handler := routes(running, a, c)
	routeDevMail(handler, a.mail, log)
	routeDevWebhook(handler)
	if err := newAPIServer(handler, c.PublicURL, listener, log).run(running); err != nil {
		return err
	}
	if cause := context.Cause(running); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// folder is where dev keeps its things, and what removes it when nothing is to be kept.
func (d *devCommand) folder() (path string, remove func(), err error) {
	if d.Ephemeral {
		path, err = os.MkdirTemp("", "portico-dev-")
		return path, func() { _ = os.RemoveAll(path) }, err
	}
	path = d.DataDir
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", nil, fmt.Errorf("find the home folder (name one with --data-dir): %w", err)
		}
		path = filepath.Join(home, ".portico")
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the data folder: %w", err)
	}
	return path, func() {}, nil
}

// configure fills in what a newcomer should not have to set: keys of its own, the test gateway, and receivers on this machine.
func (d *devCommand) configure(c config.Config, folder string) (config.Config, error) {
	if d.Addr != "" {
		c.Addr = d.Addr
	}
	if c.LiveGateway == "" {
		c.LiveGateway = gateway.TestName
	}
	c.WebhookAllowLoopback, c.WebhookAllowHTTP = true, true
	c.Introspection = string(graph.IntrospectionAll)
	if c.Keys == "" {
		keys, err := devKeys(filepath.Join(folder, "keys.json"))
		if err != nil {
			return c, err
		}
		c.Keys, c.Pepper = secret.Text(keys.Keys), secret.Text(keys.Pepper)
	}
	return c, nil
}

type keyFile struct {
	Keys   string `json:"keys"`
	Pepper string `json:"pepper"`
}

// devKeys reads the keys of this data folder, or makes them the first time.
func devKeys(path string) (keyFile, error) {
	var keys keyFile
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		keys = keyFile{Keys: "1:" + string(secret.NewKey()), Pepper: string(secret.NewKey())}
		return keys, writePrivate(path, keys)
	}
	if err != nil {
		return keys, fmt.Errorf("read the keys: %w", err)
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		return keys, fmt.Errorf("read the keys in %s: %w", path, err)
	}
	return keys, nil
}

// writePrivate writes a file that only its owner may read, whole or not at all.
func writePrivate(path string, content any) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	scratch := path + ".new"
	if err := os.WriteFile(scratch, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(scratch, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
