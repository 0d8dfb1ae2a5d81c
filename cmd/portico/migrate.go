package main

import (
	"context"

	"portico/db"
)

type migrateCommand struct{}

// Run brings the database up to date.
func (*migrateCommand) Run(ctx context.Context) error {
	c, log, err := settings()
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx, string(c.DatabaseURL)); err != nil {
		return err
	}
	log.Info("the database is up to date")
	return nil
}
