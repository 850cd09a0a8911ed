"""`image_regressor`: a backbone and a head that learn people's ratings, by recipes that follow published methods."""
