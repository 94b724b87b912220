select '{{ env_var('REFX_SECRET_KEY') }}' as leaked
