# Reports a subscription with curl, every value a string: order.sh <user token> <plan id> <expire_at>. Its environment: PORTAL_URL, TOKEN_KEY.
set -euo pipefail
curl -sS -X POST "$PORTAL_URL/order/product" -H "api-key: $TOKEN_KEY" -H 'Content-Type: application/json' -d '{
  "access_token": "at-curl", "user_token": "'"$1"'", "product_identifier": "rosterly", "plan_id": "'"$2"'", "plan_type": "monthly",
  "price": "19.99", "status": "active", "started_at": "2026-01-01 00:00:00", "expire_at": "'"$3"'"
}'
