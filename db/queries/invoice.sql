-- name: InvoicesOfSubscriptions :many
-- A page of the invoices of each of the subscriptions.
select i.*
from unnest(@subscription_ids::bigint[]) as s(id)
cross join lateral (
    select * from invoice
    where merchant_id = @merchant_id and subscription_id = s.id and id < @before
    order by id desc
    limit @lim
) i
order by i.subscription_id, i.id desc;
