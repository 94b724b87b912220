select '{{ env_var('REFX_NOT_SET_ANYWHERE') }}' as id
