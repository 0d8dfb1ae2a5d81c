package jobs

import (
	"github.com/riverqueue/river"

	"portico/internal/billing"
)

// maintenance is embedded by the jobs of that queue.
type maintenance struct{}

// InsertOpts implements river.JobArgsWithInsertOpts.
func (maintenance) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance}
}

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

// OverrideSweep takes away the feature overrides that have ended.
type OverrideSweep struct{ maintenance }

// Kind implements river.JobArgs.
func (OverrideSweep) Kind() string { return "override.sweep" }

// UsageRetire forgets old records of usage.
type UsageRetire struct{ maintenance }

// Kind implements river.JobArgs.
func (UsageRetire) Kind() string { return "usage.retire" }

// ChargeResume takes up charges that nobody is making.
type ChargeResume struct{ maintenance }

// Kind implements river.JobArgs.
func (ChargeResume) Kind() string { return "charge.resume" }

// ClockResume takes up test clocks that nobody is advancing.
type ClockResume struct{ maintenance }

// Kind implements river.JobArgs.
func (ClockResume) Kind() string { return "test_clock.resume" }

// WebhookWake finds endpoints with due deliveries that nobody is draining. It is not in the queue of the drains, behind which it would
// wait.
type WebhookWake struct{ maintenance }

// Kind implements river.JobArgs.
func (WebhookWake) Kind() string { return "webhook.wake" }

// WebhookPartition makes partitions ahead and drops old ones.
type WebhookPartition struct{ maintenance }

// Kind implements river.JobArgs.
func (WebhookPartition) Kind() string { return "webhook.partition" }

// ReplayResume takes up replays that nobody is working at.
type ReplayResume struct{ maintenance }

// Kind implements river.JobArgs.
func (ReplayResume) Kind() string { return "webhook.replay_resume" }

// WebhookJudge warns the merchants of endpoints that fail for days, and disables those.
type WebhookJudge struct{ maintenance }

// Kind implements river.JobArgs.
func (WebhookJudge) Kind() string { return "webhook.judge" }

// MailRetire gives up mails that are too late and forgets the recipients of old ones.
type MailRetire struct{ maintenance }

// Kind implements river.JobArgs.
func (MailRetire) Kind() string { return "mail.retire" }

// PortalRetire forgets what of the portal has expired.
type PortalRetire struct{ maintenance }

// Kind implements river.JobArgs.
func (PortalRetire) Kind() string { return "portal.retire" }

// MerchantClose goes on closing merchants.
type MerchantClose struct{ maintenance }

// Kind implements river.JobArgs.
func (MerchantClose) Kind() string { return "merchant.close" }

// AccountTidy deletes sessions and tokens that have expired.
type AccountTidy struct{ maintenance }

// Kind implements river.JobArgs.
func (AccountTidy) Kind() string { return "account.tidy" }

// TokenCount counts tokens and makes audit entries of them.
type TokenCount struct{ maintenance }

// Kind implements river.JobArgs.
func (TokenCount) Kind() string { return "token.count" }

// AuditRetire deletes audit entries and counts of tokens that are no longer kept.
type AuditRetire struct{ maintenance }

// Kind implements river.JobArgs.
func (AuditRetire) Kind() string { return "audit.retire" }

// RateRetire forgets who has all of their points.
type RateRetire struct{ maintenance }

// Kind implements river.JobArgs.
func (RateRetire) Kind() string { return "rate.retire" }

// ReminderSweep announces trials and connected subscriptions that are about to end.
type ReminderSweep struct{ maintenance }

// Kind implements river.JobArgs.
func (ReminderSweep) Kind() string { return "reminder.sweep" }

// ClaimExpiry takes away claims that have ended.
type ClaimExpiry struct{ maintenance }

// Kind implements river.JobArgs.
func (ClaimExpiry) Kind() string { return "claim.expire" }

// SigningKeyRotate makes the keys that sign access tokens, and deletes those that are of no use any more.
type SigningKeyRotate struct{ maintenance }

// Kind implements river.JobArgs.
func (SigningKeyRotate) Kind() string { return "signing_key.rotate" }

// IdempotencyRetire forgets keys that are no longer kept.
type IdempotencyRetire struct{ maintenance }

// Kind implements river.JobArgs.
func (IdempotencyRetire) Kind() string { return "idempotency.retire" }
