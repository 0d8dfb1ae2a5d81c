-- +goose Up

-- Which customers have to do with a product before they have bought it: a portal URL was made for them.
create table customer_product (
    merchant_id bigint      not null,
    product_id  bigint      not null,
    customer_id bigint      not null,
    created_at  timestamptz not null,
    primary key (merchant_id, product_id, customer_id),
    foreign key (merchant_id, product_id) references product,
    foreign key (merchant_id, customer_id) references customer
);
create index customer_product_customer_idx on customer_product (merchant_id, customer_id);
call guard_tenant('customer_product');
