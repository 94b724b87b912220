select {{ var('cuttoff') }} as id
