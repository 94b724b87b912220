select
    1 as id,
    from
where x
