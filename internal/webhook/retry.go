package webhook

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter is how far a receiver can put us off with Retry-After.
const maxRetryAfter = 24 * time.Hour

// retryDelay is how long after its attempt of the given number (from 1, since it was published or asked for) a delivery is tried again; false after the last one. The
// jitter of a fifth either way spreads what failed together, and is the same whenever it is asked for.
func retryDelay(deliveryID int64, number int32) (time.Duration, bool) {
	delays := [...]time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
		20 * time.Hour, 24 * time.Hour,
	}
	if int(number) > len(delays) {
		return 0, false
	}
	jitter := rand.New(rand.NewPCG(uint64(deliveryID), uint64(number))) //nolint:gosec // nobody gains by guessing it
	return time.Duration(float64(delays[number-1]) * (0.8 + 0.4*jitter.Float64())), true
}

// retryAfter reads the header of that name: how long after now the receiver wants to be left alone; 0 when it does not say.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) { // then it is the greatest
		wait = time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return max(0, min(wait, maxRetryAfter))
}
