package account

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
)

// SignUp is what a new merchant and its first member give.
type SignUp struct {
	Name     string
	Shop     *string // made from the name when nil
	Email    string
	Password string
	// Verified says that the address needs no proof: whoever runs this installation vouches for it.
	Verified bool
}

// SignedUp is a new merchant, its owner, and the owner's session.
type SignedUp struct {
	Merchant Merchant
	Member   Member
	Session  OpenSession
}

// SignUp opens a merchant with its first member, the owner, signs that member in, and mails the address for a proof that it is
// theirs. The answer is the same when the address is another member's: then that member is told, and the new one can never prove
// it. A handle that was made from the name gets a suffix when it is in use; one that was asked for is TAKEN. Too many from one
// network are THROTTLED.
func (a *Accounts) SignUp(ctx context.Context, from Origin, in SignUp) (SignedUp, error) {
	var check fault.Check
	name := line(&check, "name", in.Name, maxName)
	email := emailAddress(&check, "email", in.Email)
	newPassword(&check, "password", in.Password, email)
	shops := handlesFor(&check, name, in.Shop)
	if err := check.Err(); err != nil {
		return SignedUp{}, err
	}
	if err := a.take(ctx, signUps(from)); err != nil {
		return SignedUp{}, err
	}
	sendMail := !in.Verified
	if sendMail {
		err := a.take(ctx, mails("verification", email))
		if err != nil && !fault.Is(err, fault.CodeThrottled) {
			return SignedUp{}, err
		}
		sendMail = err == nil
	}
	passwordHash, err := a.hashPassword(ctx, in.Password)
	if err != nil {
		return SignedUp{}, err
	}
	var verified *time.Time
	if in.Verified {
		now := a.Now()
		verified = &now
	}
	var signedUp SignedUp
	// Mails to members belong to no merchant, so that a merchant never sees whether its owner's address was another's.
	err = a.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		row, err := a.insertMember(ctx, tx, email, passwordHash, verified)
		if err != nil {
			return err
		}
		signedUp.Member = memberOf(row)
		if signedUp.Merchant, err = a.openMerchant(ctx, tx, shops, name, email, row.ID); err != nil {
			return err
		}
		if sendMail {
			if err := a.askForProof(ctx, tx, signedUp.Member); err != nil {
				return err
			}
		}
		signedUp.Session, err = a.openSession(ctx, tx, from, row)
		return err
	})
	if err != nil {
		return SignedUp{}, fmt.Errorf("sign a merchant up: %w", err)
	}
	return signedUp, nil
}

// MerchantCreate opens another merchant for a member who has proven the address: EMAIL_UNVERIFIED otherwise. For the handle see
// SignUp.
func (a *Accounts) MerchantCreate(ctx context.Context, caller Caller, from Origin, name string, shop *string) (Merchant, error) {
	if err := caller.requireVerified(); err != nil {
		return Merchant{}, err
	}
	var check fault.Check
	name = line(&check, "name", name, maxName)
	shops := handlesFor(&check, name, shop)
	if err := check.Err(); err != nil {
		return Merchant{}, err
	}
	if err := a.take(ctx, signUps(from)); err != nil {
		return Merchant{}, err
	}
	member, err := a.Member(ctx, caller)
	if err != nil {
		return Merchant{}, err
	}
	var merchant Merchant
	err = a.DB.System().Tx(ctx, func(tx pgx.Tx) (err error) {
		merchant, err = a.openMerchant(ctx, tx, shops, name, member.Email, member.ID)
		return err
	})
	if err != nil {
		return Merchant{}, fmt.Errorf("create a merchant: %w", err)
	}
	return merchant, nil
}

// openMerchant inserts a merchant and its owner.
func (a *Accounts) openMerchant(ctx context.Context, tx pgx.Tx, shops handles, name, email string, ownerID int64) (Merchant, error) {
	id, err := a.DB.NextMerchantID(ctx, tx)
	if err != nil {
		return Merchant{}, err
	}
	merchant, err := shops.insert(func(shop string) (db.Merchant, error) {
		return a.DB.InsertMerchant(ctx, tx, db.InsertMerchantParams{
			ID: id, Shop: shop, Name: name, Email: email, PortalFeeBps: a.PortalFeeBPS, CreatedAt: a.Now(),
		})
	})
	if err != nil {
		return Merchant{}, err
	}
	if err := a.insertTokenKey(ctx, tx, merchant); err != nil {
		return Merchant{}, err
	}
	return merchant, a.DB.InsertMembership(ctx, tx, db.InsertMembershipParams{
		MerchantID: id, MemberID: ownerID, Role: string(RoleOwner), CreatedAt: a.Now(),
	})
}

// handles are the shop handles that a merchant may get: the one that was chosen, or one made from a name and then others like it.
type handles struct {
	base   string
	chosen bool
}

// handlesFor are the handles for a merchant of this name, or the one that was chosen.
func handlesFor(check *fault.Check, name string, chosen *string) handles {
	if chosen != nil {
		return handles{base: shopHandle(check, "shop", *chosen), chosen: true}
	}
	return handles{base: orElse(handleFrom(name), "shop")}
}

const (
	handleAttempts    = 10
	handleSuffixBytes = 5
)

// insert tries handles until try inserts a row, which it says by returning one.
func (h handles) insert(try func(shop string) (db.Merchant, error)) (Merchant, error) {
	for attempt := range handleAttempts {
		shop := h.base
		if attempt > 0 || (isReserved(shop) && !h.chosen) {
			shop += "-" + strings.ToLower(rand.Text()[:handleSuffixBytes])
		}
		row, err := try(shop)
		if !db.IsNoRows(err) {
			return merchantOf(row), err
		}
		if h.chosen {
			break
		}
	}
	return Merchant{}, fault.Taken("shop", "is in use")
}
