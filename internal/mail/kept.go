package mail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/db"
)

// ErrNotKept is returned for a mail that does not exist or whose content is not there.
var ErrNotKept = errors.New("there is no such kept mail")

// Kept is a mail that was kept instead of sent. It shows its links.
type Kept struct {
	ID                  int64
	MerchantID          *int64
	Kind                Kind
	Cause               string
	Recipient           string
	Subject, Text, HTML string
	CreatedAt           time.Time
}

// KeptMails are the newest kept mails of all merchants and of none, at most so many.
func (o *Outbox) KeptMails(ctx context.Context, most int32) ([]Kept, error) {
	rows, err := o.DB.KeptMails(ctx, o.DB.System(), most)
	if err != nil {
		return nil, fmt.Errorf("list kept mails: %w", err)
	}
	kept := make([]Kept, len(rows))
	for i, row := range rows {
		if kept[i], err = o.kept(db.KeptMailRow(row)); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// KeptMail is one of them.
func (o *Outbox) KeptMail(ctx context.Context, id int64) (Kept, error) {
	row, err := o.DB.KeptMail(ctx, o.DB.System(), id)
	if db.IsNoRows(err) {
		return Kept{}, ErrNotKept
	}
	if err != nil {
		return Kept{}, fmt.Errorf("read kept mail %d: %w", id, err)
	}
	return o.kept(row)
}

func (o *Outbox) kept(row db.KeptMailRow) (Kept, error) {
	content, err := o.open(row.ID, row.ContentCipher)
	return Kept{
		ID: row.ID, MerchantID: row.MerchantID, Kind: Kind(row.Kind), Cause: row.Cause, Recipient: row.Recipient,
		Subject: content.Subject, Text: content.Text, HTML: content.HTML, CreatedAt: row.CreatedAt,
	}, err
}
