# The same question with curl: access.sh <email> <product>. Its environment: PORTAL_URL, PORTAL_API_KEY.
set -euo pipefail
curl -sS "$PORTAL_URL/graphql" -H "X-API-Key: $PORTAL_API_KEY" -H 'Content-Type: application/json' -d '{
  "query": "query($email: String!, $product: String!) { access(customer: {email: $email}, product: {identifier: $product}) { allowed reason } }",
  "variables": {"email": "'"$1"'", "product": "'"$2"'"}
}'
