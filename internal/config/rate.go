package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Rate is how much can be asked for at once, and how much more each second. The zero value is no limit.
type Rate struct{ Burst, Restore int32 }

// The dearest operation that is allowed must be affordable, and a point takes a whole number of microseconds to come back.
const (
	leastBurst  = 1_000
	mostBurst   = 1_000_000_000
	mostRestore = 1_000_000
)

func parseRate(text string) (any, error) {
	if text == "off" {
		return Rate{}, nil
	}
	burst, restore, _ := strings.Cut(text, ":")
	atOnce, err := strconv.ParseInt(strings.TrimSpace(burst), 10, 32)
	if err != nil {
		return nil, errRate(text)
	}
	perSecond, err := strconv.ParseInt(strings.TrimSpace(restore), 10, 32)
	if err != nil || (atOnce == 0 && perSecond == 0) {
		return nil, errRate(text)
	}
	return Rate{Burst: int32(atOnce), Restore: int32(perSecond)}, nil
}

func errRate(text string) error {
	return fmt.Errorf("%q is neither off nor two numbers such as 20000:2000", text)
}

func (r Rate) validate(name string) error {
	if r == (Rate{}) || (r.Burst >= leastBurst && r.Burst <= mostBurst && r.Restore >= 1 && r.Restore <= mostRestore) {
		return nil
	}
	return fmt.Errorf("%s must have %d to %d points at once and 1 to %d more each second, and is %d:%d",
		name, leastBurst, mostBurst, mostRestore, r.Burst, r.Restore)
}
