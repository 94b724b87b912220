select user_id from {{ source('crm', 'contacts') }}
