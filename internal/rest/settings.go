package rest

import (
	"net/http"
	"strconv"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/settings"
)

func settingsRoutes() []route {
	return []route{{
		pattern: "GET " + external + "customer-portal-settings/{id}", action: "customer-portal-settings", points: costOfRead,
		summary: "What the portal looks like and what customers may do in it", security: []string{apiKeyScheme, apiKeyParameterScheme},
		refusals: []int{http.StatusNotFound}, in: settingsRequest{}, out: settings.Settings{}, handle: (*call).portalSettings,
	}}
}

type settingsRequest struct {
	ID string `path:"id" description:"The id of the settings, or the shop's handle."`
}

func (c *call) portalSettings() (any, error) {
	caller, err := c.server(account.ScopeCustomersRead)
	if err != nil {
		return nil, err
	}
	s, err := c.Portal.Settings(c.r.Context(), caller)
	if id := c.r.PathValue("id"); err == nil && id != s.Shop && id != strconv.FormatInt(s.MerchantID, 10) {
		return nil, fault.NotFound("id", "portal settings")
	}
	return s, err
}
