select {{ each_region('plays') }}
