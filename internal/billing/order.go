//go:build !naive

package billing

import (
	"fmt"

	"portico/db"
)

// announcement tells under which key the gateway hears of an attempt, and whether it still needs to. The key is the attempt's
// own and a stored reference is never replaced: however often an answer is lost, the money is taken once. The tag naive has it the
// other way, for the crash harness to find out.
func announcement(a *db.OpenAttemptsRow) (key string, needed bool) {
	return fmt.Sprintf("attempt/%d", a.ID), a.GatewayRef == nil
}
