package graph

import "portico/internal/page"

// Connection is a page of a list.
type Connection[T any] struct {
	Nodes  []*T
	more   bool
	cursor func(*T) string
}

// Edge is an object and its place in the list.
type Edge[T any] struct {
	Node   *T
	Cursor string
}

// PageInfo is the position of a page within its list.
type PageInfo struct {
	HasNextPage bool
	EndCursor   *string
}

//nolint:unused // the schema has no type parameters: these are the names by which gqlgen.yml knows its connections
type (
	accessConnection          = Connection[Access]
	accessEdge                = Edge[Access]
	apiKeyConnection          = Connection[APIKey]
	apiKeyEdge                = Edge[APIKey]
	claimChangeConnection     = Connection[ClaimChange]
	claimChangeEdge           = Edge[ClaimChange]
	clientConnection          = Connection[Client]
	clientEdge                = Edge[Client]
	auditEntryConnection      = Connection[AuditEntry]
	auditEntryEdge            = Edge[AuditEntry]
	companyConnection         = Connection[Company]
	companyEdge               = Edge[Company]
	customerConnection        = Connection[Customer]
	customerEdge              = Edge[Customer]
	eventConnection           = Connection[Event]
	eventEdge                 = Edge[Event]
	invitationConnection      = Connection[Invitation]
	invitationEdge            = Edge[Invitation]
	invoiceConnection         = Connection[Invoice]
	invoiceEdge               = Edge[Invoice]
	ledgerEntryConnection     = Connection[LedgerEntry]
	ledgerEntryEdge           = Edge[LedgerEntry]
	merchantConnection        = Connection[Merchant]
	merchantEdge              = Edge[Merchant]
	membershipConnection      = Connection[Membership]
	membershipEdge            = Edge[Membership]
	planConnection            = Connection[Plan]
	planEdge                  = Edge[Plan]
	portalTokenConnection     = Connection[PortalToken]
	portalTokenEdge           = Edge[PortalToken]
	productConnection         = Connection[Product]
	productEdge               = Edge[Product]
	publicProductConnection   = Connection[PublicProduct]
	publicProductEdge         = Edge[PublicProduct]
	reviewConnection          = Connection[ProductReview]
	reviewEdge                = Edge[ProductReview]
	seatConnection            = Connection[Seat]
	seatEdge                  = Edge[Seat]
	sessionConnection         = Connection[Session]
	sessionEdge               = Edge[Session]
	subscriptionConnection    = Connection[Subscription]
	subscriptionEdge          = Edge[Subscription]
	testClockConnection       = Connection[TestClock]
	testClockEdge             = Edge[TestClock]
	webhookDeliveryConnection = Connection[WebhookDelivery]
	webhookDeliveryEdge       = Edge[WebhookDelivery]
	webhookEndpointConnection = Connection[WebhookEndpoint]
	webhookEndpointEdge       = Edge[WebhookEndpoint]
	webhookReplayConnection   = Connection[WebhookReplay]
	webhookReplayEdge         = Edge[WebhookReplay]
)

// Edges are the page's objects with their places.
func (c *Connection[T]) Edges() []*Edge[T] {
	edges := make([]*Edge[T], len(c.Nodes))
	for i, node := range c.Nodes {
		edges[i] = &Edge[T]{Node: node, Cursor: c.cursor(node)}
	}
	return edges
}

// PageInfo says where the page ends and whether another follows.
func (c *Connection[T]) PageInfo() *PageInfo {
	info := &PageInfo{HasNextPage: c.more}
	if n := len(c.Nodes); n > 0 {
		end := c.cursor(c.Nodes[n-1])
		info.EndCursor = &end
	}
	return info
}

// connect makes a page of a list that is ordered by id. The rows are those that were read for it: up to one more than the page has.
func connect[Row, T any](
	rows []Row, err error, size int, show func(Row, *siblings[T]) *T, id func(*T) int64,
) (*Connection[T], error) {
	rows, more := page.Trim(rows, size)
	return connected(rows, more, err, show, id)
}

// connected is connect for rows that have been cut to the page.
func connected[Row, T any](
	rows []Row, more bool, err error, show func(Row, *siblings[T]) *T, id func(*T) int64,
) (*Connection[T], error) {
	if err != nil {
		return nil, err
	}
	cursor := func(node *T) string { return page.Cursor(id(node)) }
	return &Connection[T]{Nodes: family(rows, show), more: more, cursor: cursor}, nil
}

// pageOf reads the arguments of a connection field.
func pageOf(first *int32, after *string) (page.Request, error) {
	if first == nil {
		return page.Parse(nil, after)
	}
	size := int(*first)
	return page.Parse(&size, after)
}
