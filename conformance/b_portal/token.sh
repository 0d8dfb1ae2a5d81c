# Asks for a portal token with curl: token.sh <header or parameter> <query>. Its environment: PORTAL_URL, PORTAL_API_KEY.
set -euo pipefail
url="$PORTAL_URL/api/external/v2/customer-portal-token?$2"
case $1 in
  header) curl -sS "$url" -H "X-API-Key: $PORTAL_API_KEY" ;;
  parameter) curl -sS "$url&api_key=$PORTAL_API_KEY" ;;
esac
