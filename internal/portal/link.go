package portal

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
)

const (
	linkLifetime = 15 * time.Minute

	// How many links may be asked for within an hour: for one address, and from one network address.
	maxLinks      = 3
	linksCountFor = time.Hour

	// A network of IPv6 is given to a customer whole.
	ipv6Network = 64

	maxNames  = 3
	maxHandle = 63
	// noShop is nobody's handle, in place of one that no shop can have.
	noShop = "-"
)

// LinkSend asks for a link by which the owner of an e-mail address gets into the portal.
type LinkSend struct {
	Email  string
	Shop   *string    // only if the address has a customer of this shop; any shop when nil
	Client netip.Addr // who asks
}

// LinkArgs is the job that mails a link that was asked for.
type LinkArgs struct {
	ID int64 `json:"id"`
}

// Kind implements river.JobArgs.
func (LinkArgs) Kind() string { return "portal.magic_link" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (LinkArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: mail.Queue} }

// LinkSend notes that a link was asked for. It does the same for every address: whether there is anybody to send a link to is the
// job's to find out. THROTTLED counts what was asked for, not what was sent.
func (p *Portal) LinkSend(ctx context.Context, in LinkSend) error {
	email, err := account.EmailAddress("email", in.Email)
	if err != nil {
		return err
	}
	if in.Shop != nil && (len(*in.Shop) > maxHandle || !account.Storable(*in.Shop)) {
		nobody := noShop
		in.Shop = &nobody
	}
	now, client := p.Now(), p.Keys.Hash(secret.Text("client "+network(in.Client)))
	err = p.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		if err := p.DB.LockMagicLinks(ctx, tx, db.LockMagicLinksParams{EmailKey: fold(email), ClientHash: client}); err != nil {
			return err
		}
		asked, err := p.DB.CountMagicLinks(ctx, tx, db.CountMagicLinksParams{
			EmailKey: fold(email), ClientHash: client, Since: now.Add(-linksCountFor),
		})
		if err != nil {
			return err
		}
		if asked.OfEmail >= maxLinks || asked.OfClient >= maxLinks {
			return fault.New(fault.CodeThrottled, "", "too many links were asked for: use the newest one, or try again in an hour")
		}
		id, err := p.DB.InsertMagicLink(ctx, tx, db.InsertMagicLinkParams{
			Email: email, ClientHash: client, Shop: in.Shop, RequestedAt: now,
		})
		if err != nil {
			return err
		}
		_, err = p.Jobs.InsertTx(ctx, tx, LinkArgs{ID: id}, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask for a magic link: %w", err)
	}
	return nil
}

// fold is the address as it is compared: without regard to the case of letters of ASCII.
func fold(email string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, email)
}

func network(client netip.Addr) string {
	client = client.Unmap().WithZone("")
	if client.Is6() {
		return netip.PrefixFrom(client, ipv6Network).Masked().String()
	}
	return client.String()
}

// MailLink mails the link that was asked for, once, if the address has a customer with a subscription of a live merchant. The token
// in the link is valid for 15 minutes and can be used once.
func (p *Portal) MailLink(ctx context.Context, id int64) error {
	now := p.Now()
	err := p.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		link, err := p.DB.LockMagicLink(ctx, tx, id)
		if db.IsNoRows(err) || (err == nil && (link.TokenHash != nil || now.Sub(link.RequestedAt) >= linkLifetime)) {
			return nil
		}
		if err != nil {
			return err
		}
		merchants, err := p.DB.MerchantsOfAddress(ctx, tx, db.MerchantsOfAddressParams{PersonKey: link.EmailKey, Shop: link.Shop})
		if err != nil || len(merchants) == 0 {
			return err
		}
		token, expiresAt := secret.NewCredential(secret.KindMagicLink, true), now.Add(linkLifetime)
		err = p.DB.ArmMagicLink(ctx, tx, db.ArmMagicLinkParams{ID: id, TokenHash: p.Keys.Hash(token), ExpiresAt: &expiresAt})
		if err != nil {
			return err
		}
		return p.Mail.Enqueue(ctx, tx, mail.Message{
			Recipient: link.Email, Cause: fmt.Sprintf("magic_link/%d", id),
			Content: mail.MagicLink{
				Merchant: names(merchants), Link: secret.Text(p.page("login") + "?token=" + string(token)), ExpiresAt: expiresAt,
			},
		})
	})
	if err != nil {
		return fmt.Errorf("mail magic link %d: %w", id, err)
	}
	return nil
}

// names are those of the merchants, the first few of many.
func names(merchants []db.MerchantsOfAddressRow) string {
	var all []string
	for _, m := range merchants {
		if !slices.Contains(all, m.Name) {
			all = append(all, m.Name)
		}
	}
	if len(all) > maxNames {
		return strings.Join(all[:maxNames], ", ") + " and others"
	}
	return strings.Join(all, ", ")
}

// TokenMail mails the portal's address with a token to a customer of the caller's merchant, whom it finds as TokenCreate does. The token is
// not for the caller to see.
func (p *Portal) TokenMail(ctx context.Context, caller account.Caller, ref account.CustomerRef) (Minted, error) {
	minted, err := p.TokenCreate(ctx, caller, ref)
	if err != nil {
		return Minted{}, err
	}
	err = p.DB.Tenant(minted.Merchant.ID).Tx(ctx, func(tx pgx.Tx) error {
		return p.Mail.Enqueue(ctx, tx, mail.Message{
			MerchantID: &minted.Merchant.ID, Recipient: minted.Customer.Email, Cause: fmt.Sprintf("portal_token/%d", minted.ID),
			Content: mail.MagicLink{Merchant: minted.Merchant.Name, Link: minted.URL, ExpiresAt: minted.ExpiresAt},
		})
	})
	if err != nil {
		return Minted{}, fmt.Errorf("mail portal token %d: %w", minted.ID, err)
	}
	minted.JWT, minted.URL = "", ""
	return minted, nil
}
