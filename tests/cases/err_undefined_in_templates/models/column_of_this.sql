select '{{ this.identifer }}' as name
