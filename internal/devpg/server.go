//go:build unix

package devpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"sync"
	"sync/atomic"
)

// Server is a running PostgreSQL.
type Server struct {
	folder    *folder
	sockets   *folder // the same, unless its path is too long for a socket
	postgres  *process
	ephemeral bool
	log       *slog.Logger

	lost     chan struct{}
	stopping atomic.Bool
	once     sync.Once
	stopErr  error
}

// Start runs PostgreSQL on the data folder and makes cluster, role and database where they are missing. ctx bounds the start, not
// the server's life. It returns ErrInUse if another process serves the folder.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{ephemeral: o.Ephemeral, log: o.Log, lost: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.start(ctx, o); err != nil {
		s.stopping.Store(true)
		_ = s.shutDown(ctx)
		return nil, fmt.Errorf("start a private PostgreSQL: %w", err)
	}
	return s, nil
}

// URL is the address of Database for Role.
func (s *Server) URL() string { return s.address(Role, Database) }

// AdminURL is the address of the database postgres for the superuser, who makes databases and must never use them: row-level
// security does not hold it.
func (s *Server) AdminURL() string { return s.address(superuser, superuser) }

// Done is closed when postgres exits without having been stopped.
func (s *Server) Done() <-chan struct{} { return s.lost }

// Stop shuts postgres down, hastily once ctx ends or a few seconds have passed. Later calls return what the first returned.
func (s *Server) Stop(ctx context.Context) error {
	s.once.Do(func() {
		s.stopping.Store(true)
		if err := s.shutDown(ctx); err != nil {
			s.stopErr = fmt.Errorf("stop the private PostgreSQL: %w", err)
		}
	})
	return s.stopErr
}

func (s *Server) start(ctx context.Context, o Options) error {
	if o.Ephemeral == (o.Dir != "") {
		return errors.New("either Dir or Ephemeral must be set")
	}
	runAs, err := accountFor(o.Dir)
	if err != nil {
		return err
	}
	if o.Ephemeral {
		s.folder, err = tempFolder(ctx, runAs)
	} else {
		s.folder, err = openFolder(ctx, o.Dir, runAs)
	}
	if err != nil {
		return err
	}
	if s.sockets = s.folder; !fitsSocket(s.folder.path) {
		if s.sockets, err = tempFolder(ctx, runAs); err != nil {
			return err
		}
	}
	major, err := s.folder.clusterVersion()
	if err != nil {
		return err
	}
	bin, err := findBinaries(ctx, major, runAs, s.log)
	if err != nil {
		return err
	}
	fsync := !o.Ephemeral
	if o.Fsync != nil {
		fsync = *o.Fsync
	}
	if major == 0 {
		if err := s.folder.initCluster(ctx, bin, fsync); err != nil {
			return err
		}
	}
	return s.serve(ctx, bin, append(settings(fsync), o.Settings...))
}

func (s *Server) serve(ctx context.Context, bin binaries, settings []string) error {
	if err := errors.Join(s.folder.removeLeftovers(), s.sockets.removeLeftovers()); err != nil {
		return err
	}
	cmd := exec.Command(bin.path("postgres"))
	home := s.folder.handOver(cmd)
	sockets := home
	if s.sockets != s.folder {
		sockets = s.sockets.handOver(cmd)
	}
	cmd.Args = append(cmd.Args, "-D", home+"/"+clusterName)
	for _, setting := range append(settings, socketSetting(sockets)) {
		cmd.Args = append(cmd.Args, "-c", setting)
	}
	var err error
	if s.postgres, err = s.folder.spawn(cmd); err != nil {
		return err
	}
	go s.watch()

	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return makeDatabase(ctx, conn)
}

func (s *Server) watch() {
	<-s.postgres.exited
	if !s.stopping.Load() {
		s.log.Error("postgres exited", "state", s.postgres.cmd.ProcessState.String(), "log", s.folder.log.Name())
		close(s.lost)
	}
}

// shutDown also undoes a start that went wrong half-way.
func (s *Server) shutDown(ctx context.Context) error {
	var errs []error
	if s.postgres != nil {
		errs = append(errs, s.postgres.stop(ctx, s.ephemeral))
	}
	if s.sockets != nil && s.sockets != s.folder {
		errs = append(errs, s.sockets.remove())
	}
	if s.folder != nil && s.ephemeral {
		errs = append(errs, s.folder.remove())
	} else if s.folder != nil {
		s.folder.close()
	}
	return errors.Join(errs...)
}

func (s *Server) address(user, database string) string {
	address := url.URL{
		Scheme:   "postgres",
		User:     url.User(user),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {s.sockets.path}, "port": {socketPort}}.Encode(),
	}
	return address.String()
}
