fn main(){println!("placeholder")}
