package jobs

import (
	"github.com/riverqueue/river"

	"portico/internal/billing"
)

// RenewalSweep bills what is due.
type RenewalSweep struct{}

// Kind implements river.JobArgs.
func (RenewalSweep) Kind() string { return "renewal.sweep" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (RenewalSweep) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueRenewals}
}

// ExpirySweep ends what is due.
type ExpirySweep struct{}

// Kind implements river.JobArgs.
func (ExpirySweep) Kind() string { return "expiry.sweep" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ExpirySweep) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueExpiries}
}

// ChargeResume takes up charges that nobody is making.
type ChargeResume struct{}

// Kind implements river.JobArgs.
func (ChargeResume) Kind() string { return "charge.resume" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ChargeResume) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// ClockResume takes up test clocks that nobody is advancing.
type ClockResume struct{}

// Kind implements river.JobArgs.
func (ClockResume) Kind() string { return "test_clock.resume" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ClockResume) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// WebhookWake finds endpoints with due deliveries that nobody is draining.
type WebhookWake struct{}

// Kind implements river.JobArgs.
func (WebhookWake) Kind() string { return "webhook.wake" }

// InsertOpts implements river.JobArgsWithInsertOpts. Not the queue of the drains, behind which it would wait.
func (WebhookWake) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// MailRetire gives up mails that are too late and forgets the recipients of old ones.
type MailRetire struct{}

// Kind implements river.JobArgs.
func (MailRetire) Kind() string { return "mail.retire" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (MailRetire) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// PortalRetire forgets what of the portal has expired.
type PortalRetire struct{}

// Kind implements river.JobArgs.
func (PortalRetire) Kind() string { return "portal.retire" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (PortalRetire) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// MerchantClose goes on closing merchants.
type MerchantClose struct{}

// Kind implements river.JobArgs.
func (MerchantClose) Kind() string { return "merchant.close" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (MerchantClose) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// AccountTidy deletes sessions and tokens that have expired.
type AccountTidy struct{}

// Kind implements river.JobArgs.
func (AccountTidy) Kind() string { return "account.tidy" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (AccountTidy) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// TokenCount counts tokens and makes audit entries of them.
type TokenCount struct{}

// Kind implements river.JobArgs.
func (TokenCount) Kind() string { return "token.count" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (TokenCount) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// AuditRetire deletes audit entries and counts of tokens that are no longer kept.
type AuditRetire struct{}

// Kind implements river.JobArgs.
func (AuditRetire) Kind() string { return "audit.retire" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (AuditRetire) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// RateRetire forgets who has all of their points.
type RateRetire struct{}

// Kind implements river.JobArgs.
func (RateRetire) Kind() string { return "rate.retire" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (RateRetire) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

// IdempotencyRetire forgets keys that are no longer kept.
type IdempotencyRetire struct{}

// Kind implements river.JobArgs.
func (IdempotencyRetire) Kind() string { return "idempotency.retire" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (IdempotencyRetire) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}
