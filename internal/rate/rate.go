// Package rate owns how much callers may ask for: each spends points from a bucket that all processes share and that refills with time.
package rate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"portico/db"
)

const (
	// A process takes points ahead of their use, so that it need not ask Postgres for each request: what is spent in a quarter of a second
	// at the lasting rate. What it has not spent after a second goes back with the next request.
	aheadPerSecond = 4
	holdFor        = time.Second
	// Each takes some 200 bytes.
	maxPurses = 20_000
)

// Limit is a bucket's size: so many points at once, and Restore more each second, 1 to 1,000,000. The zero value is no limit.
type Limit struct{ Burst, Restore int32 }

// Limiter charges callers. Points are taken from a bucket before they are spent, so that processes together never give more than it has.
type Limiter struct {
	DB  *db.DB
	Now func() time.Time

	mu     sync.Mutex
	purses map[string]*purse
}

// purse is what this process has of a caller's points.
type purse struct {
	turn chan struct{} // of whoever asks Postgres

	mu     sync.Mutex
	left   int32     // taken from the bucket and not spent
	until  time.Time // when left is to go back
	fullAt time.Time // when the bucket would be full without anybody, as last seen
}

// Status is a bucket as this process last saw it.
type Status struct{ MaximumAvailable, CurrentlyAvailable, RestoreRate int32 }

// Charge is what a caller pays for one request.
type Charge struct {
	Wait  time.Duration // how long until the points are there, when they were not; then nothing was taken
	limit Limit
	purse *purse
	now   time.Time
}

// Take takes points from the bucket of a caller's key. Zero points can always be had. More than the bucket holds are taken for a full one.
func (l *Limiter) Take(ctx context.Context, key string, limit Limit, points int32) (Charge, error) {
	points = min(points, limit.Burst)
	c := Charge{limit: limit, purse: l.purse(key), now: l.Now()}
	if c.settled(points) {
		return c, nil
	}
	select {
	case c.purse.turn <- struct{}{}:
		defer func() { <-c.purse.turn }()
	case <-ctx.Done():
		return c, fmt.Errorf("wait for points: %w", ctx.Err())
	}
	if c.settled(points) {
		return c, nil
	}
	return c, l.refill(ctx, key, &c, points)
}

// Return gives back what turned out not to be needed.
func (c Charge) Return(points int32) {
	c.purse.mu.Lock()
	defer c.purse.mu.Unlock()
	c.purse.left += points
}

// Status is the caller's bucket, with what this process has of it.
func (c Charge) Status() Status {
	c.purse.mu.Lock()
	defer c.purse.mu.Unlock()
	return Status{MaximumAvailable: c.limit.Burst, CurrentlyAvailable: c.available(), RestoreRate: c.limit.Restore}
}

// settled pays out of the purse, or refuses where the bucket was seen to be too empty within the second.
func (c *Charge) settled(points int32) bool {
	p := c.purse
	p.mu.Lock()
	defer p.mu.Unlock()
	switch available := c.available(); {
	case !c.now.Before(p.until):
		return false
	case points <= p.left:
		p.left -= points
		return true
	case points <= available:
		return false
	default:
		c.Wait = time.Duration(points-available) * c.limit.point()
		return true
	}
}

// refill puts back what is left and takes what is needed and some more, in one statement.
func (l *Limiter) refill(ctx context.Context, key string, c *Charge, points int32) error {
	p := c.purse
	p.mu.Lock()
	back := p.left
	p.left = 0
	p.mu.Unlock()
	row, err := l.DB.TakePoints(ctx, l.DB.Pool(), db.TakePointsParams{
		Key: key, Now: c.now, Point: pgtype.Interval{Microseconds: c.limit.point().Microseconds(), Valid: true},
		Burst: c.limit.Burst, Returned: back, AtLeast: points, Wanted: min(points+c.limit.Restore/aheadPerSecond, c.limit.Burst),
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.left += back
		return fmt.Errorf("take points: %w", err)
	}
	p.left += row.Granted
	p.fullAt, p.until = row.FullAt, c.now.Add(holdFor)
	if p.left < points {
		c.Wait = max(time.Duration(points-c.available())*c.limit.point(), c.limit.point())
		return nil
	}
	p.left -= points
	return nil
}

// available are the points that the caller could still spend here.
func (c *Charge) available() int32 {
	missing := c.purse.fullAt.Sub(c.now)
	points := int64(c.limit.Burst) + int64(c.purse.left)
	if missing > 0 {
		points -= int64((missing + c.limit.point() - 1) / c.limit.point())
	}
	return int32(min(max(points, 0), int64(c.limit.Burst))) //nolint:gosec // within the bounds
}

// point is how long a point takes to be restored, in whole microseconds as Postgres has them.
func (l Limit) point() time.Duration { return time.Duration(1_000_000/l.Restore) * time.Microsecond }

func (l *Limiter) purse(key string) *purse {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, known := l.purses[key]
	if known {
		return p
	}
	if l.purses == nil {
		l.purses = map[string]*purse{}
	}
	if len(l.purses) >= maxPurses {
		// Its points are lost to the caller until the bucket has refilled.
		for other := range l.purses {
			delete(l.purses, other)
			break
		}
	}
	p = &purse{turn: make(chan struct{}, 1)}
	l.purses[key] = p
	return p
}

// Retire forgets buckets that are full, as those are that nobody has heard of.
func (l *Limiter) Retire(ctx context.Context) error {
	if _, err := l.DB.DropFullBuckets(ctx, l.DB.Pool(), l.Now()); err != nil {
		return fmt.Errorf("forget full buckets: %w", err)
	}
	return nil
}
