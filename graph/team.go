package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/secret"
)

// Membership is account.Membership as the schema shows it.
type Membership struct{ account.Membership }

// Invitation is account.Invitation as the schema shows it.
type Invitation struct{ account.Invitation }

func showMembership(row account.Membership, _ *siblings[Membership]) *Membership {
	return &Membership{row}
}

func showInvitation(row account.Invitation, _ *siblings[Invitation]) *Invitation {
	return &Invitation{row}
}

// Member is whose place it is.
func (m *Membership) Member() *Member { return &Member{m.Membership.Member} }

// Role is what the member may do.
func (m *Membership) Role() string { return string(m.Membership.Role) }

func (m *Membership) rowID() int64 { return m.Membership.Member.ID }

// IsNode implements Node.
func (*Invitation) IsNode() {}

// ID is the global id.
func (i *Invitation) ID() string { return gid("Invitation", i.rowID()) }

// Role is what the invited will be.
func (i *Invitation) Role() string { return string(i.Invitation.Role) }

func (i *Invitation) rowID() int64 { return i.Invitation.ID }

// Members are the merchant's.
func (r query) Members(ctx context.Context, first *int32, after *string) (*Connection[Membership], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	members, err := r.Accounts.Members(ctx, callerOf(ctx), request)
	return connect(members, err, request.Size, showMembership, (*Membership).rowID)
}

// Invitations are the merchant's.
func (r query) Invitations(ctx context.Context, first *int32, after *string) (*Connection[Invitation], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	invitations, err := r.Accounts.Invitations(ctx, callerOf(ctx), request)
	return connect(invitations, err, request.Size, showInvitation, (*Invitation).rowID)
}

// MemberInvite invites somebody to the merchant.
func (r mutation) MemberInvite(ctx context.Context, in MemberInviteInput) (*MemberInvitePayload, error) {
	invitation, err := r.Accounts.Invite(ctx, callerOf(ctx), in.Email, account.Role(in.Role))
	if err != nil {
		refused, err := userErrors(err)
		return &MemberInvitePayload{UserErrors: refused}, err
	}
	return &MemberInvitePayload{Invitation: &Invitation{invitation}}, nil
}

// InvitationRevoke takes an invitation back.
func (r mutation) InvitationRevoke(ctx context.Context, in InvitationRevokeInput) (*InvitationRevokePayload, error) {
	invitation, err := r.revokeInvitation(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &InvitationRevokePayload{UserErrors: refused}, err
	}
	return &InvitationRevokePayload{Invitation: &Invitation{invitation}}, nil
}

func (r mutation) revokeInvitation(ctx context.Context, in InvitationRevokeInput) (account.Invitation, error) {
	id, err := rowID("id", "Invitation", in.ID)
	if err != nil {
		return account.Invitation{}, err
	}
	return r.Accounts.InvitationRevoke(ctx, callerOf(ctx), id)
}

// InvitationAccept joins a merchant.
func (r mutation) InvitationAccept(ctx context.Context, in InvitationAcceptInput) (*InvitationAcceptPayload, error) {
	accepted, err := r.Accounts.InvitationAccept(ctx, callerOf(ctx), originOf(ctx), secret.Text(in.Token), in.Password)
	if err != nil {
		refused, err := userErrors(err)
		return &InvitationAcceptPayload{UserErrors: refused}, err
	}
	role := string(accepted.Role)
	payload := &InvitationAcceptPayload{Merchant: &Merchant{accepted.Merchant}, Member: &Member{accepted.Member}, Role: &role}
	if accepted.Session != nil {
		token := r.keepSession(ctx, *accepted.Session)
		payload.SessionToken = &token
	}
	return payload, nil
}

// MemberRoleUpdate gives a member another role.
func (r mutation) MemberRoleUpdate(ctx context.Context, in MemberRoleUpdateInput) (*MemberRoleUpdatePayload, error) {
	membership, err := r.updateRole(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &MemberRoleUpdatePayload{UserErrors: refused}, err
	}
	return &MemberRoleUpdatePayload{Membership: &Membership{membership}}, nil
}

func (r mutation) updateRole(ctx context.Context, in MemberRoleUpdateInput) (account.Membership, error) {
	id, err := rowID("member", "Member", in.Member)
	if err != nil {
		return account.Membership{}, err
	}
	return r.Accounts.MemberUpdateRole(ctx, callerOf(ctx), id, account.Role(in.Role))
}

// MemberRemove takes a member out of the merchant.
func (r mutation) MemberRemove(ctx context.Context, in MemberRemoveInput) (*MemberRemovePayload, error) {
	id, err := rowID("member", "Member", in.Member)
	if err == nil {
		err = r.Accounts.MemberRemove(ctx, callerOf(ctx), id)
	}
	refused, err := userErrors(err)
	return &MemberRemovePayload{UserErrors: refused}, err
}

func (r *Resolver) invitation(ctx context.Context, caller account.Caller, id int64) (*Invitation, error) {
	invitation, err := r.Accounts.Invitation(ctx, caller, id)
	return &Invitation{invitation}, err
}
